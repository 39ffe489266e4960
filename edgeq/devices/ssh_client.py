"""Open an SSH connection with paramiko: strict host keys, keys from files or the agent, never a password."""

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edgeq.errors import DeviceError, DeviceUnreachable, HostKeyError, ProfileError

if TYPE_CHECKING:
    import paramiko

OPEN_SECONDS = 30.0


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
        ProfileError: the key file is missing.
    """
    import paramiko

    # What paramiko would log is raised as well; without a handler it would print tracebacks.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    if target.key is not None and not target.key.is_file():
        raise ProfileError(f"there is no key file {target.key}", hint="correct `key` in the device profile")
    client = paramiko.SSHClient()
    try:
        _load_host_keys(client, target)
        client.connect(
            target.host,
            target.port,
            target.user,
            key_filename=str(target.key) if target.key else None,
            allow_agent=target.key is None,
            look_for_keys=target.key is None,
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
    elif target.known_hosts is None:
        client.load_system_host_keys()
    elif target.known_hosts.exists():
        client.load_host_keys(str(target.known_hosts))


def _refuse_unknown(target: SshTarget, key: "paramiko.PKey") -> NoReturn:
    kind = key.get_name()
    file = [f"-oUserKnownHostsFile={target.known_hosts}"] if target.known_hosts else []
    where = f"{target.user}@{target.host}" if target.user else target.host
    accept = ["ssh", *file, f"-oHostKeyAlgorithms={kind}", "-p", str(target.port), where, "true"]
    raise HostKeyError(
        f"the host key of {target.host} port {target.port} is not known: {kind} {key.fingerprint}",
        hint=f"compare it with the device's own, then accept it by `{shlex.join(accept)}`",
    )
