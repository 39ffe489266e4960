"""Writes a profile of the user's own from what a device says of itself: an address, and never a secret."""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from edgeq.devices.cores import FEATURES, is_core_name
from edgeq.devices.layers import list_shipped, user_folder
from edgeq.devices.probe import Facts
from edgeq.devices.profile import PROFILE_SCHEMA, AdbSpec, DeviceProfile, SshSpec, load_profile, read_profile
from edgeq.errors import ProfileError
from edgeq.units import format_quantity

# What a device tree calls a board (arch/arm64/boot/dts/broadcom in Linux) -> the shipped profile of it.
_BOARDS = (
    (re.compile(r"^Raspberry Pi (5|500|Compute Module 5)\b"), "raspberry-pi-5"),
    (re.compile(r"^Raspberry Pi (4|400|Compute Module 4)\b"), "raspberry-pi-4"),
    (re.compile(r"^Raspberry Pi (3|Compute Module 3)\b"), "raspberry-pi-3"),
    (re.compile(r"^Raspberry Pi Zero 2\b"), "raspberry-pi-zero-2w"),
)
_ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^@:\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
)
_HEAD = """# Written by edgeq from what the device showed. `edgeq device show {name}` shows every key, also
# those of the profile that it extends.
"""


def check_name(name: str) -> Path:
    """The file for a new profile called `name`.

    Raises:
        ProfileError: no name for a profile, or taken.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name) or name.endswith(".toml"):
        raise ProfileError(
            f"{name!r} is no name for a device", hint="use letters, digits, `-`, `_` and `.`, like my-pi"
        )
    if name in list_shipped():
        raise ProfileError(
            f"{name} is the name of a device that edgeq ships", hint="choose another name, like my-pi"
        )
    path = user_folder() / f"{name}.toml"
    if path.exists():
        raise ProfileError(
            f"there is a profile {path} already", hint="change it by hand, or remove it and add it again"
        )
    return path


def parse_address(
    text: str, key: str | None = None, known_hosts: str | None = None, jump: tuple[str, ...] = ()
) -> SshSpec:
    """The SSH part of a profile from `[user@]host[:port]`; an IPv6 address stands in brackets.

    The other arguments are those of `SshSpec`.

    Raises:
        ProfileError: it is none.
    """
    found = _ADDRESS.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or found["host"].startswith("-") or (port is not None and not 1 <= port <= 65535):
        raise ProfileError(
            f"{text!r} is no address", hint="write it like pi@192.168.1.20, or pi@192.168.1.20:2222"
        )
    return SshSpec(
        host=found["host"].strip("[]"),
        port=port,
        user=found["user"],
        key=key,
        known_hosts=known_hosts,
        jump=jump,
    )


def choose_base(link: SshSpec | AdbSpec, facts: Facts) -> str:
    """Name of the shipped profile that fits the device."""
    if isinstance(link, AdbSpec):
        return "android"
    return next((name for pattern, name in _BOARDS if pattern.match(facts.model)), "linux-aarch64")


def draft_profile(name: str, link: SshSpec | AdbSpec) -> DeviceProfile:
    """A profile to probe the device with."""
    base = load_profile("android" if isinstance(link, AdbSpec) else "linux-aarch64")
    return msgspec.structs.replace(base, name=name, link=link)


def describe(link: SshSpec | AdbSpec, facts: Facts, base: str) -> dict[str, Any]:
    """The keys of a profile for the device, over those of the profile `base`."""
    way = "adb" if isinstance(link, AdbSpec) else "SSH"
    clocks = [cluster.max_hz for cluster in facts.clusters if cluster.max_hz]
    speed = f", up to {format_quantity(max(clocks), 'Hz', digits=2)}" if clocks else ""
    model = "" if facts.model == "unknown" else f"{facts.model}, "
    keys: dict[str, Any] = {
        "schema": PROFILE_SCHEMA,
        "extends": base,
        "description": f"{model}{facts.cpu}{speed}, over {way}",
        "link": {key: value for key, value in msgspec.to_builtins(link).items() if value not in (None, ())},
    }
    # A core or a word that is not in edgeq's tables belongs to no Arm profile.
    if facts.clusters and all(is_core_name(cluster.name) for cluster in facts.clusters):
        keys["features"] = [name for name in facts.features if name in FEATURES]
        keys["cores"] = [
            {
                "name": cluster.name,
                "cpus": list(cluster.cpus),
                **({} if cluster.max_hz is None else {"max_hz": cluster.max_hz}),
                **({"features": own} if (own := [f for f in cluster.features if f in FEATURES]) else {}),
            }
            for cluster in facts.clusters
        ]
    return keys


def write_profile(path: Path, keys: dict[str, Any]) -> DeviceProfile:
    """Write a new profile; it is read as a profile before it gets its name.

    Raises:
        ProfileError: it would not be one, or the file is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _HEAD.format(name=path.stem).encode() + msgspec.toml.encode(keys)
    with TemporaryDirectory(prefix=".add.", dir=path.parent) as folder:
        aside = Path(folder) / path.name
        aside.write_bytes(text)
        profile = read_profile(aside)
        try:
            os.link(aside, path)  # unlike a rename it replaces nothing
        except FileExistsError as error:
            raise ProfileError(f"there is a profile {path} already") from error
    return profile


def save_setting(name: str, base: str, threads: int, cpus: tuple[int, ...]) -> Path:
    """Write a profile of the user's own that extends `base` and runs programs on these threads and cores.

    Raises:
        ProfileError: `base` is no device by name, or the file is there already.
    """
    path = check_name(name)
    run: dict[str, Any] = {"threads": threads, **({"cpus": list(cpus)} if cpus else {})}
    description = f"{load_profile(base).description}, as `edgeq sweep` recommends"
    keys = {"schema": PROFILE_SCHEMA, "extends": base, "description": description, "run": run}
    write_profile(path, keys)
    return path
