"""The user's own SSH keys: from a file without a passphrase, or from the agent. None is ever asked for."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.devices.ssh.known_hosts import parse_key
from edgeq.errors import ProfileError

if TYPE_CHECKING:
    import paramiko

# What ssh(1) tries by itself, of the kinds that paramiko can use.
DEFAULT_KEYS = tuple(Path("~/.ssh", name) for name in ("id_ed25519", "id_ecdsa", "id_rsa"))


def home(path: str | Path) -> Path:
    """`path` with `~` as the home folder; unlike pathlib's, no error where there is none."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def read_key(file: Path) -> "paramiko.PKey":
    """The private key in `file`.

    Raises:
        ProfileError: there is none, it is damaged, or it has a passphrase.
    """
    import paramiko

    hint = "correct `key` in the device profile"
    if not file.is_file():
        raise ProfileError(f"there is no key file {file}", hint=hint)
    try:
        return paramiko.PKey.from_path(file)
    except TypeError as error:  # what the cryptography package raises for want of a passphrase
        raise ProfileError(
            f"the key file {file} has a passphrase",
            hint="give it to ssh-add, and leave `key` out of the device profile",
        ) from error
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = said.split("\n")[0][:200] or type(error).__name__
        raise ProfileError(f"cannot read the key file {file}: {reason}", hint=hint) from error


class Offer:
    """Keys to log in with, best first: the agent's that are in `files` too, its others, the files' own.

    Args:
        files: private keys, each perhaps with a `.pub` beside it; those that are not there are left out.
        only_files: whether keys that only the agent has are left out (`IdentitiesOnly` of ssh_config).

    Attributes:
        unusable: why files that are there were left out, one line each.
    """

    def __init__(self, files: Sequence[Path], *, only_files: bool) -> None:
        self._files = [file for file in map(home, files) if file.is_file()]
        self._only_files = only_files
        self.unusable: list[str] = []

    def keys(self) -> Iterator["paramiko.PKey"]:
        """The keys, read when they are asked for."""
        import paramiko

        agent = paramiko.Agent()
        try:
            held, named = agent.get_keys(), [_public_part(file) for file in self._files]
            yield from (key for key in held if key.asbytes() in named)
            if not self._only_files:
                yield from (key for key in held if key.asbytes() not in named)
            offered = {key.asbytes() for key in held}
            for file, public in zip(self._files, named, strict=True):
                if public in offered:
                    continue
                try:
                    yield read_key(file)
                except ProfileError as error:
                    self.unusable.append(error.message)
        finally:
            agent.close()


def _public_part(file: Path) -> bytes | None:
    """The public key beside a private one, as bytes of the wire; None where there is none."""
    try:
        return parse_key(file.with_name(f"{file.name}.pub").read_text()).blob
    except (OSError, ValueError):
        return None
