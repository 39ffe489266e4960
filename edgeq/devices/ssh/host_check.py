"""Whether the key that an SSH host shows is the right one; nothing is sent to a host before that."""

import shlex
from collections.abc import Sequence

from edgeq.devices.ssh.known_hosts import HostKey, KnownHost, Verdict, judge, parse_key
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import HostKeyError


def known_kinds(target: SshTarget, lines: Sequence[KnownHost]) -> list[str]:
    """Kinds of the keys that `lines` have for the target."""
    return [line.key.kind for line in lines if not line.marker and any(map(line.matches, target.known_as))]


def check_host_key(target: SshTarget, shown: HostKey, lines: Sequence[KnownHost]) -> None:
    """Return if `lines` vouch for the key that the target shows.

    Raises:
        HostKeyError: it is revoked, unknown, or another than the known one.
    """
    if target.pinned is not None:
        _compare_pinned(target, target.pinned, shown)
        return
    verdict = judge(lines, target.known_as, shown)
    trust = f"edgeq device trust {shlex.quote(target.name or 'NAME')}"
    check_revoked(target, shown, verdict)
    if verdict.known:
        return
    if verdict.others:
        known = ", ".join(f"{line.key} ({line.place})" for line in verdict.others)
        raise HostKeyError(
            f"{target.where} shows another host key than the known one: {shown}, expected {known}; "
            "nothing was sent",
            hint=f"if the device was set up anew, `{trust} --replace` compares and exchanges the key; "
            "if not, do not go on",
        )
    reason = f"the host key of {target.where} is not known: {shown}"
    if verdict.authorities:
        place = verdict.authorities[0].place
        reason += f"; {place} leaves it to a certificate authority, which edgeq cannot ask"
    raise HostKeyError(
        reason,
        hint=f"`{trust}` shows how to compare it with the device's own, and keeps it in "
        f"{target.known_files[0]}",
    )


def check_revoked(target: SshTarget, shown: HostKey, verdict: Verdict) -> None:
    """Return unless the key that the target shows is revoked.

    Raises:
        HostKeyError: it is.
    """
    if verdict.revoked is not None:
        raise HostKeyError(
            f"{target.where} shows a revoked host key: {shown} ({verdict.revoked.place}); nothing was sent",
            hint="do not go on before the device has a new host key",
        )


def _compare_pinned(target: SshTarget, pinned: str, shown: HostKey) -> None:
    try:
        expected = parse_key(pinned)
    except ValueError as error:
        raise HostKeyError(f"the pinned host key of {target.host} is malformed: {error}") from error
    if shown != expected:
        raise HostKeyError(
            f"{target.where} shows another host key than the known one: {shown}, expected {expected}; "
            "nothing was sent",
            hint="another program may have taken its port; do not go on with it",
        )
