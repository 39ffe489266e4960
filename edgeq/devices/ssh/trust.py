"""Accept a device's SSH host key, or a jump host's: shown first, compared by the user, then written down.

A key is never exchanged for another one in passing, and a revoked one is never accepted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.cache import write_atomic
from edgeq.devices.ssh.client import show_host_keys
from edgeq.devices.ssh.host_check import check_revoked
from edgeq.devices.ssh.known_hosts import HostKey, KnownHost, add_keys, drop_lines, judge, read_known_hosts
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import HostKeyError, ProfileError


@dataclass(frozen=True)
class Presented:
    """What a host shows, and what is known of it.

    Attributes:
        target: the host.
        keys: those that it presents.
        known: those of them that are known already.
        others: lines that have other keys for it.
    """

    target: SshTarget
    keys: tuple[HostKey, ...]
    known: tuple[HostKey, ...]
    others: tuple[KnownHost, ...]

    @property
    def is_trusted(self) -> bool:
        """Whether nothing is left to do: it is known by one of its keys, and no line says otherwise."""
        kinds = {key.kind for key in self.keys}
        return bool(self.known) and not any(line.key.kind in kinds for line in self.others)


def look_at(target: SshTarget) -> Presented:
    """Ask a host for its keys. The jump hosts before it must be trusted already.

    Raises:
        HostKeyError: one of the keys is revoked, or a jump host is not trusted.
        EdgeqError: as `show_host_keys`.
    """
    lines, keys = target.known_lines(), show_host_keys(target)
    verdicts = {key: judge(lines, target.known_as, key) for key in keys}
    for key, verdict in verdicts.items():
        check_revoked(target, key, verdict)
    others = {line for verdict in verdicts.values() for line in verdict.others if line.key not in keys}
    return Presented(
        target,
        tuple(keys),
        tuple(key for key, verdict in verdicts.items() if verdict.known),
        tuple(sorted(others, key=lambda line: (str(line.file), line.number))),
    )


def trust_host(presented: Presented, keys: Sequence[HostKey], *, replace: bool) -> Path:
    """Write `keys` down as the host's; returns the file, which nobody but its owner may read then.

    Args:
        presented: what was shown to the user.
        keys: those that were confirmed.
        replace: whether lines with other keys for the host go.

    Raises:
        HostKeyError: other keys are known, and `replace` does not say that they may go.
        ProfileError: a line that would have to go is not this host's alone, or the file is not to be written.
    """
    target, named = presented.target, presented.target.known_files[0]
    file = named.resolve()  # a link to it stays one
    if presented.others and not replace:
        raise HostKeyError(f"{target.where} is known by another key; it was not replaced")
    for line in presented.others:
        _check_removable(target, line, file)
    if file.exists() and not file.is_file():
        raise ProfileError(f"{file} is no file to keep host keys in", hint="name another `known_hosts`")
    text = file.read_text() if file.exists() else ""
    if not set(presented.others) <= set(read_known_hosts(named)):
        raise HostKeyError(f"{file} was changed meanwhile; nothing was written", hint="try again")
    text = drop_lines(text, [line.number for line in presented.others])
    if not file.parent.exists():
        file.parent.mkdir(mode=0o700, parents=True)
    new = [key for key in keys if key not in presented.known]
    write_atomic(file, add_keys(text, target.host_name, new).encode(), mode=0o600)
    return file


def trust_way(
    target: SshTarget, confirm: Callable[[Presented], Sequence[HostKey]], *, replace: bool
) -> list[tuple[SshTarget, Path | None]]:
    """Trust every host on the way, jump hosts first.

    Args:
        target: the device.
        confirm: asks the user which of the keys are the host's own; raises where it is none.
        replace: see `trust_host`.

    Returns:
        each host, with the file that its keys were written to, or None where it was trusted already.
    """
    done: list[tuple[SshTarget, Path | None]] = []
    for hop in target.hops:
        presented = look_at(hop)
        if presented.is_trusted:
            done.append((hop, None))
        else:
            done.append((hop, trust_host(presented, confirm(presented), replace=replace)))
    return done


def _check_removable(target: SshTarget, line: KnownHost, file: Path) -> None:
    """The line is of the file that is written, and speaks of this host only."""
    if line.file.resolve() != file or len(line.patterns) > 1 or set("*?!") & set(line.patterns[0]):
        raise ProfileError(
            f"{line.place} has another key for {target.host_name}, and not for it alone or not in {file}",
            hint="correct that line by hand",
        )
