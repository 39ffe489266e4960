"""`edgeq device`: which devices there are."""

import click


@click.group()
def device() -> None:
    """List devices, or show one."""


@device.command("list")
def list_command() -> None:
    """The devices that edgeq ships, one a line."""
    from tabulate import tabulate

    from edgeq.devices.profile import list_profiles, load_profile

    profiles = [load_profile(name) for name in list_profiles()]
    rows = [(profile.name, profile.kind, profile.description) for profile in profiles]
    click.echo(tabulate(rows, headers=("device", "kind", "what it is")))


@device.command()
@click.argument("name")
def show(name: str) -> None:
    """The profile NAME (or a profile file) with every key, as TOML."""
    import msgspec

    from edgeq.devices.profile import load_profile

    profile = load_profile(name)
    keys = {key: value for key, value in msgspec.to_builtins(profile).items() if key != "name"}
    click.echo(msgspec.toml.encode(_without_none(keys)).decode(), nl=False)


def _without_none(value: object) -> object:
    """TOML has no null: absent keys say it."""
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return value
