"""Whom an SSH connection goes to: data only, with everything that was looked up on the way there."""

from dataclasses import dataclass
from pathlib import Path

from edgeq.devices.ssh.keys import DEFAULT_KEYS, home
from edgeq.devices.ssh.known_hosts import KnownHost, host_name, read_known_hosts

_KNOWN_HOSTS = "~/.ssh/known_hosts"


@dataclass(frozen=True)
class SshTarget:
    """Whom to reach, and how to know that it is the right one.

    Attributes:
        user: None for the local user's name.
        key: the only private key file to use; None for the agent's keys and `keys`.
        known_hosts: file of accepted host keys; None for the user's own.
        pinned: the only accepted host key, `ssh-ed25519 AAAA...`, instead of a file.
        name: what the user calls the device, for messages.
        also_known: further files of accepted host keys.
        alias: the name under which it is known, instead of host and port.
        keys: private key files beside the agent's keys.
        only_keys: whether the agent's keys that are not among `keys` are left out.
        through: the jump host from where it is reached.
        is_jump: whether it is only on the way.
        silence: seconds without a sign of life after which it counts as gone; None for never.
    """

    host: str
    port: int = 22
    user: str | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    pinned: str | None = None
    name: str | None = None
    also_known: tuple[Path, ...] = ()
    alias: str | None = None
    keys: tuple[Path, ...] = DEFAULT_KEYS
    only_keys: bool = False
    through: "SshTarget | None" = None
    is_jump: bool = False
    silence: float | None = 60.0

    @property
    def host_name(self) -> str:
        """The name in a known_hosts file (sshd(8)): with the port when it is not 22."""
        return self.alias or host_name(self.host, self.port)

    @property
    def known_files(self) -> tuple[Path, ...]:
        """Files of accepted host keys; the first one is written to."""
        return (home(self.known_hosts or _KNOWN_HOSTS), *self.also_known)

    @property
    def label(self) -> str:
        """What the user calls it, for messages about what is done there."""
        return self.name or self.host

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{'the jump host ' if self.is_jump else ''}{self.host} port {self.port}"

    @property
    def hops(self) -> "tuple[SshTarget, ...]":
        """The way: jump hosts first, this one last."""
        return (*(self.through.hops if self.through else ()), self)

    @property
    def private_words(self) -> tuple[str, ...]:
        """What says whose device it is and where, on the whole way; no record holds it."""
        words: list[str | Path | None] = []
        for hop in self.hops:
            words += [hop.host, hop.user, hop.alias, hop.key, *hop.keys, *hop.known_files]
        return tuple(str(word) for word in words if word)

    def known_lines(self) -> list[KnownHost]:
        """What is known of hosts.

        Raises:
            ProfileError: a file cannot be read.
        """
        return [line for file in self.known_files for line in read_known_hosts(file)]

    @property
    def known_as(self) -> tuple[str, ...]:
        """Names to look for there, the proper one first."""
        return (self.alias,) if self.alias else tuple({self.host_name: 0, host_name(self.host, 22): 0})
