"""Sensors of a profile as questions to a device: is it there, and what does it show now."""

import shlex

from edgeq.devices.hardware import (
    CommandSource,
    FileSource,
    HwmonSource,
    Sensor,
    Source,
    SupplySource,
    ThermalSource,
)


def presence_script(source: Source) -> str:
    """A POSIX shell script that prints what the source shows; nothing when it is not there.

    Paths and patterns are of plain letters and `*`, which `hardware` has seen to.
    """
    match source:
        case FileSource():
            return f"for f in {source.path}; do [ -r $f ] && cat $f; done"
        case ThermalSource():
            return _in_each("/sys/class/thermal/thermal_zone*", "type", source.zone, ("temp",))
        case HwmonSource():
            return _in_each("/sys/class/hwmon/hwmon*", "name", source.chip, _both(source.input, source.times))
        case SupplySource():
            files = _both(source.attribute, source.times)
            return f"for d in /sys/class/power_supply/{source.supply}; do {_cat(files)}; done"
        case CommandSource():
            return shlex.join(source.argv)


def tell_presence(sensor: Sensor, answer: str) -> str | None:
    """What the sensor shows, in words; None when it is not there."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if not lines:
        return None
    what = f"{sensor.quantity} ({sensor.site})"
    if isinstance(sensor.source, CommandSource):
        more = f" and {len(lines) - 1} more lines" if len(lines) > 1 else ""
        return f"{what}: {lines[0][:60]}{more}"
    return f"{what}: {', '.join(line[:20] for line in lines[:8])} {sensor.unit}"


def _in_each(folders: str, label: str, wanted: str, files: tuple[str, ...]) -> str:
    """Of each folder whose label fits: its files."""
    return f'for d in {folders}; do case "$(cat $d/{label})" in {wanted}) {_cat(files)};; esac; done'


def _both(one: str, other: str | None) -> tuple[str, ...]:
    return (one,) if other is None else (one, other)


def _cat(files: tuple[str, ...]) -> str:
    paths = [f"$d/{name}" for name in files]
    return f"{' && '.join(f'[ -r {path} ]' for path in paths)} && cat {' '.join(paths)}"
