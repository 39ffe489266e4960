"""`edgeq device trust`: accept the SSH host key of a device, after the user has compared it."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edgeq.errors import GateFailed, HostKeyError, InputError
from edgeq.plain import printable

if TYPE_CHECKING:
    from edgeq.devices.profile import SshSpec
    from edgeq.devices.ssh.known_hosts import HostKey
    from edgeq.devices.ssh.trust import Presented

_COMPARE = """Compare with the device's own keys, on its own screen or over a cable:
  for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"""


@click.command()
@click.argument("name")
@click.option(
    "--fingerprint",
    "fingerprints",
    multiple=True,
    metavar="SHA256:...",
    help="Accept the key that has this fingerprint, and no other, without asking; once for each host.",
)
@click.option("--replace", is_flag=True, help="Let a new key take the place of the known one.")
def trust(name: str, fingerprints: tuple[str, ...], *, replace: bool) -> None:
    """Show the SSH host keys of the device NAME and of its jump hosts, and keep them when you say so."""
    from edgeq.devices.profile import SshSpec, load_profile

    profile = load_profile(name)
    if not isinstance(profile.link, SshSpec):
        kind = profile.link.__struct_config__.tag
        asks = "a phone asks on its own screen; " if kind == "adb" else ""
        raise InputError(
            f"{name} is reached by {kind}, and has no SSH host key to trust",
            hint=f"{asks}`edgeq device check {name}` says what it still needs",
        )
    for line in accept_hosts(profile.link, name, fingerprints, replace=replace):
        click.echo(line)


def accept_hosts(
    spec: "SshSpec", name: str, fingerprints: Sequence[str], *, replace: bool = False
) -> list[str]:
    """Have the user compare the host keys on the way to a device; returns a line for each host.

    Args:
        spec: how to reach it.
        name: what the user calls it.
        fingerprints: of keys to accept without asking, `SHA256:...`.
        replace: whether known keys may be replaced.

    Raises:
        InputError: there is nobody to ask.
        GateFailed: the user says no.
        HostKeyError: a key is revoked, or another than the known one or those of `fingerprints`.
        EdgeqError: as `trust_way`.
    """
    from edgeq.devices.ssh.config import resolve
    from edgeq.devices.ssh.trust import trust_way

    wanted = [_normal(each) for each in fingerprints]

    def confirm(presented: "Presented") -> "Sequence[HostKey]":
        return _confirm(presented, wanted, replace=replace)

    return [
        f"{host.where}: {f'trusted now, written to {file}' if file else 'trusted already'}"
        for host, file in trust_way(resolve(spec, name), confirm, replace=replace)
    ]


def _normal(fingerprint: str) -> str:
    if not fingerprint.startswith("SHA256:"):
        raise InputError(
            f"{fingerprint!r} is no SHA256 fingerprint",
            hint="`ssh-keygen -lf FILE.pub` shows it as SHA256:...",
        )
    return fingerprint.rstrip("=")


def _confirm(presented: "Presented", wanted: Sequence[str], *, replace: bool) -> "Sequence[HostKey]":
    """The keys that the user takes for the host's own."""
    _show(presented)
    where = presented.target.where
    if presented.others and not replace:
        raise HostKeyError(
            f"{where} shows another host key than the known one; nothing was written",
            hint="if it was set up anew, compare, and repeat this with --replace; if not, do not go on",
        )
    if wanted:
        fitting = [key for key in presented.keys if key.fingerprint in wanted]
        if not fitting:
            raise HostKeyError(
                f"{where} has no host key with a fingerprint that was given; nothing was written",
                hint="do not go on before you know whose keys these are",
            )
        return fitting
    if not sys.stdin.isatty():
        raise InputError(
            f"nobody is at a terminal to compare the host key of {where}; nothing was written",
            hint="compare it, and give its fingerprint by --fingerprint",
        )
    instead = " What was known is then forgotten." if presented.others else ""
    if not click.confirm(f"Are they the same?{instead}", default=False, err=True):
        raise GateFailed(f"{where} is not trusted; nothing was written")
    return presented.keys


def _show(presented: "Presented") -> None:
    lines = [f"{presented.target.where} shows:", *(f"  {key}" for key in presented.keys)]
    if presented.others:
        lines.append("Known are:")
        lines += [f"  {line.key} ({line.place})" for line in presented.others]
    click.echo(printable("\n".join([*lines, _COMPARE])), err=True)
