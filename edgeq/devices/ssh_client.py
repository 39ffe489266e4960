"""Open an SSH connection with paramiko: strict host keys, keys from files or the agent, never a password."""

import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edgeq.errors import DeviceError, DeviceUnreachable, HostKeyError, ProfileError

if TYPE_CHECKING:
    import paramiko

OPEN_SECONDS = 30.0
_KNOWN_HOSTS = "~/.ssh/known_hosts"


@dataclass(frozen=True)
class SshTarget:
    """Whom to reach, and how to know that it is the right one.

    Attributes:
        user: None for the local user's name.
        key: private key file; None for the agent's and the user's default keys.
        known_hosts: file of accepted host keys; None for the user's own.
        pinned: the only accepted host key, `ssh-ed25519 AAAA...`, instead of a file.
    """

    host: str
    port: int = 22
    user: str | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    pinned: str | None = None

    @property
    def host_name(self) -> str:
        """The name in a known_hosts file (sshd(8)): with the port when it is not 22."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def open_client(target: SshTarget) -> "paramiko.SSHClient":
    """Connect and authenticate.

    Raises:
        HostKeyError: the device's host key is unknown, or another than the known one.
        DeviceError: it does not accept our key.
        DeviceUnreachable: it does not answer as an SSH server does.
        ProfileError: the key file or the file of known hosts cannot be used.
    """
    import paramiko

    # What paramiko would log is raised as well; without a handler it would print tracebacks.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    key = _read_key(target.key) if target.key is not None else None
    client = paramiko.SSHClient()
    try:
        _load_host_keys(client, target)
        client.connect(
            target.host,
            target.port,
            target.user,
            pkey=key,
            allow_agent=key is None,
            look_for_keys=key is None,
            timeout=OPEN_SECONDS,
            banner_timeout=OPEN_SECONDS,
            auth_timeout=OPEN_SECONDS,
        )
    except BaseException as error:
        client.close()
        _explain(target, error)
        raise
    return client


def _explain(target: SshTarget, error: BaseException) -> None:
    """Raise what `error` means for the user, if it is about connecting."""
    import paramiko

    where = f"{target.host} port {target.port}"
    file = ["-f", str(target.known_hosts)] if target.known_hosts else []
    if isinstance(error, paramiko.BadHostKeyException):
        raise HostKeyError(
            f"{where} shows another host key than the known one: {error.key.fingerprint}, "
            f"expected {error.expected_key.fingerprint}; nothing was sent",
            hint="if the device was set up anew, remove the old key by "
            f"`{shlex.join(['ssh-keygen', '-R', target.host_name, *file])}`; if not, do not go on",
        ) from error
    if isinstance(error, paramiko.AuthenticationException):
        asked = f"the key {target.key}" if target.key else "the agent's and the default keys"
        raise DeviceError(
            f"{where} lets nobody in with {asked}: {error}",
            hint="put the public key into its authorized_keys; give a key with a passphrase to ssh-add",
        ) from error
    if isinstance(error, paramiko.SSHException | OSError | EOFError):
        raise DeviceUnreachable(
            f"no SSH connection to {where}: {error or 'it closed the connection'}",
            hint="check that the device is on, its address, and that its SSH server runs",
        ) from error


def _load_host_keys(client: "paramiko.SSHClient", target: SshTarget) -> None:
    import paramiko

    class Refuse(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, _client: paramiko.SSHClient, _name: str, key: paramiko.PKey) -> None:
            _refuse_unknown(target, key)

    client.set_missing_host_key_policy(Refuse())
    if target.pinned is not None:
        entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{target.host_name} {target.pinned}")
        if entry is None or entry.key is None:
            raise HostKeyError(f"the pinned host key of {target.host} is malformed")
        client.get_host_keys().add(target.host_name, entry.key.get_name(), entry.key)
    else:
        # Not expanduser() of pathlib: it raises where there is no home folder.
        _read_known_hosts(client, target, target.known_hosts or Path(os.path.expanduser(_KNOWN_HOSTS)))  # noqa: PTH111


def _read_known_hosts(client: "paramiko.SSHClient", target: SshTarget, file: Path) -> None:
    import paramiko

    try:
        if file.exists():
            client.load_host_keys(str(file))
        # A damaged hashed name is only found by looking for one, and then as a failed assertion.
        client.get_host_keys().lookup(target.host_name)
    except (paramiko.hostkeys.InvalidHostKey, OSError, ValueError, AssertionError) as error:
        raise ProfileError(
            f"cannot read the file of known hosts {file}: {_say(error)}",
            hint="correct or remove the line; `known_hosts` in the device profile may name another file",
        ) from error


def _read_key(file: Path) -> "paramiko.PKey":
    """The private key in `file`, read before anything is sent: a bad file is not the device's fault."""
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
        raise ProfileError(f"cannot read the key file {file}: {_say(error)}", hint=hint) from error


def _say(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split("\n")[0][:200] or type(error).__name__


def _refuse_unknown(target: SshTarget, key: "paramiko.PKey") -> NoReturn:
    kind = key.get_name()
    file = [f"-oUserKnownHostsFile={target.known_hosts}"] if target.known_hosts else []
    where = f"{target.user}@{target.host}" if target.user else target.host
    accept = ["ssh", *file, f"-oHostKeyAlgorithms={kind}", "-p", str(target.port), where, "true"]
    raise HostKeyError(
        f"the host key of {target.host} port {target.port} is not known: {kind} {key.fingerprint}",
        hint=f"compare it with the device's own, then accept it by `{shlex.join(accept)}`",
    )
