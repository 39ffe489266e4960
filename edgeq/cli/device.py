"""`edgeq device`: which devices there are, whether they can be used, and new ones."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cli.trust import accept_hosts, trust

if TYPE_CHECKING:
    from edgeq.devices.check import Check


@click.group()
def device() -> None:
    """List devices, add one, check one."""


@device.command("list")
def list_command() -> None:
    """The devices that edgeq ships, and your own, one a line."""
    from tabulate import tabulate

    from edgeq.cli.main import print_error
    from edgeq.devices.layers import list_own, list_shipped
    from edgeq.devices.profile import load_profile
    from edgeq.errors import ProfileError

    rows, broken = [], []
    for names, whose in ((list_shipped(), "edgeq"), (list_own(), "you")):
        for name in names:
            try:
                profile = load_profile(name)
            except ProfileError as error:
                if whose == "you":
                    broken.append(error)
                continue
            rows.append((name, profile.kind, whose, profile.description))
    click.echo(tabulate(rows, headers=("device", "kind", "from", "what it is")))
    for each in broken:
        print_error(each)
    if broken:
        sys.exit(broken[0].exit_code)


@device.command()
@click.argument("name")
def show(name: str) -> None:
    """The profile NAME (or a profile file) with all that it extends, as TOML."""
    import msgspec

    from edgeq.devices.profile import load_profile

    profile = load_profile(name)
    keys = {key: value for key, value in msgspec.to_builtins(profile).items() if key != "name"}
    click.echo(msgspec.toml.encode(_without_none(keys)).decode(), nl=False)


@device.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON on stdout.")
def check(name: str, as_json: bool) -> None:
    """Look at every need of the device NAME: there, or what to do. Exit 0 when it can be used."""
    import msgspec

    from edgeq.cli.terminal import Terminal
    from edgeq.devices.check import Demands, check_device
    from edgeq.devices.profile import load_profile
    from edgeq.errors import DeviceError
    from edgeq.runner.sdk import ARCHITECTURES, CPU_FEATURES, GLIBC

    demands = Demands(architectures=ARCHITECTURES, glibc=GLIBC, features=CPU_FEATURES)
    result, error = check_device(load_profile(name), demands, Terminal(quiet=as_json).announce)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2))
    else:
        _print_needs(result)
    if error is not None:
        raise error
    if not result.usable:
        lacking = ", ".join(need.name for need in result.needs if need.state == "missing")
        raise DeviceError(f"{result.device} cannot be used yet: {lacking}", hint="see the lines above")


@device.command()
@click.argument("name")
@click.option("--ssh", metavar="[USER@]HOST[:PORT]", help="A Linux device; an alias of ssh_config will do.")
@click.option("--adb", metavar="SERIAL", help="A phone, as `edgeq device discover` lists it.")
@click.option(
    "--key", type=click.Path(path_type=Path), help="Private key file (default: the agent's, yours)."
)
@click.option("--known-hosts", type=click.Path(path_type=Path), help="File of accepted host keys.")
@click.option(
    "--fingerprint", "fingerprints", multiple=True, metavar="SHA256:...", help="Accept this host key."
)
@click.option("--jump", multiple=True, metavar="[USER@]HOST[:PORT]", help="Go through this host; may repeat.")
@click.option("--server", metavar="HOST:PORT", help="adb server on another machine.")
def add(
    name: str,
    ssh: str | None,
    adb: str | None,
    key: Path | None,
    known_hosts: Path | None,
    fingerprints: tuple[str, ...],
    jump: tuple[str, ...],
    server: str | None,
) -> None:
    """Write a profile of your own called NAME, from what the device says of itself.

    It holds an address and perhaps the path of a key, never a password.
    """
    from edgeq.devices.add import (
        check_name,
        choose_base,
        describe,
        draft_profile,
        parse_address,
        write_profile,
    )
    from edgeq.devices.opening import open_device
    from edgeq.devices.probe import read_facts
    from edgeq.devices.profile import AdbSpec, SshSpec
    from edgeq.errors import InputError

    if (ssh is None) == (adb is None):
        raise InputError("say how to reach it: either --ssh or --adb", hint="--ssh pi@192.168.1.20")
    path = check_name(name)
    if ssh is not None:
        names = [None if file is None else str(file.absolute()) for file in (key, known_hosts)]
        spec: SshSpec | AdbSpec = parse_address(ssh, names[0], names[1], jump)
    else:
        spec = AdbSpec(serial=adb, server=server)
    draft = draft_profile(name, spec)
    if isinstance(spec, SshSpec):
        for line in accept_hosts(spec, name, fingerprints):
            click.echo(line, err=True)
    with open_device(draft) as link:
        facts = read_facts(link, draft)
    profile = write_profile(path, describe(spec, facts, choose_base(spec, facts)))
    click.echo(f"{path}\n{profile.description}")
    click.echo(f"next: edgeq device check {name}", err=True)


@device.command()
@click.option("--seconds", type=click.FloatRange(1), default=5.0, show_default=True, help="Longest wait.")
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON on stdout.")
def discover(seconds: float, as_json: bool) -> None:
    """Phones that adb sees, and which of the known devices answer; all are asked at once."""
    import msgspec
    from tabulate import tabulate

    from edgeq.devices.discover import find_devices, find_phones
    from edgeq.devices.profile import list_profiles, load_profile
    from edgeq.errors import EdgeqError, ProfileError
    from edgeq.plain import printable

    profiles = []
    for name in list_profiles():
        try:
            profiles.append(load_profile(name))
        except ProfileError as error:
            click.echo(f"left out: {error.message}", err=True)
    try:
        phones, why = find_phones(profiles), None
    except EdgeqError as error:
        phones, why = (), error.message
    found = find_devices(profiles, seconds)
    if as_json:
        document = {"phones": phones, "adb": why, "devices": found}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    rows = [(phone.serial, phone.state, phone.profile or "") for phone in phones]
    if rows:
        click.echo(f"{printable(tabulate(rows, headers=('phone', 'state', 'profile')))}\n")
    else:
        click.echo(f"No phone: {why or 'adb sees none'}.\n")
    devices = [(each.device, each.state, each.about.split("\n")[0][:100]) for each in found]
    click.echo(printable(tabulate(devices, headers=("device", "state", "about"))))


def _print_needs(result: "Check") -> None:
    from edgeq.plain import printable

    marks = {"ok": ("ok     ", "green"), "note": ("note   ", "yellow"), "missing": ("missing", "red")}
    width = max(len(need.name) for need in result.needs)
    for need in result.needs:
        text, colour = marks[need.state]
        click.echo(f"{click.style(text, fg=colour)} {need.name:<{width}}  {printable(need.found)}")
        if need.remedy:
            click.echo(f"{'':<{len(text)}} {'':<{width}}  {printable(need.remedy)}")


def _without_none(value: object) -> object:
    """TOML has no null: absent keys say it."""
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value


device.add_command(trust)
