"""Sensors of a profile on a real device: which files or command to read, and what a reading's text means.

A profile names a chip or a supply; here its paths are found on the device, all in one command. What comes
back is text, which pure functions turn into SI units. What a vendor leaves open (a battery's sign, its unit)
is decided by a rule and recorded as an assumption.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgeq.devices.adb.dumpsys import parse_meter
from edgeq.devices.batch import ask_all
from edgeq.devices.hardware import (
    UNITS,
    CommandSource,
    FileSource,
    HwmonSource,
    Sensor,
    SupplySource,
    ThermalSource,
)
from edgeq.devices.link import Link
from edgeq.devices.processor import count_cores
from edgeq.results.records import Missing

Form = Literal[
    "number", "product", "battery", "temperature", "flags", "rails", "meter", "meter-cpu", "cores", "busy"
]  # fmt: skip

# How each format of a profile's command is understood.
_FORMS: dict[str, Form] = {
    "number": "number",
    "vcgencmd_get_throttled": "flags",
    "vcgencmd_measure_temp": "temperature",
    "vcgencmd_pmic_read_adc": "rails",
    "power_stats": "meter",
    "power_stats_cpu": "meter-cpu",
}

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,9})?")
_DEGREES = re.compile(r"temp=([0-9]{1,3}\.[0-9]{1,3})'C")
_THROTTLED = re.compile(r"throttled=(0x[0-9a-fA-F]{1,8})")
# ` VDD_CORE_A current(7)=0.75690000A` and ` VDD_CORE_V volt(15)=0.72083000V`, one rail a line.
_RAIL = re.compile(r"^ *(\w+)_([AV]) +(?:current|volt)\([0-9]+\)=([0-9]{1,6}(?:\.[0-9]{1,9})?)[AV] *$", re.M)

# Linux's documentation says microampere, and several phones give milliampere. A device at work draws more
# than 10 mA, and none draws 10,000 A.
_LEAST_MICROAMPERE = 10_000
_UNPLUG = "measure it without a charger (a phone: adb over Wi-Fi, or --tune if it can suspend charging)"
MILLIAMPERE = "current_now is below 10,000, so it is taken as mA, not as uA"
UNSIGNED = "the sign of current_now is not looked at; that the battery was discharging is its `status`"


@dataclass(frozen=True)
class Probe:
    """One thing to read on a device: `files` at once, or what `command` prints; the other one is empty.

    Attributes:
        site: where the sensor sits, in the words of a profile.
        form: how the text is understood.
        scale: what a raw number (or a product of two) is to be multiplied by for the SI unit.
        described: the source as a Series names it.
        room: bytes that are enough of each file; None for all.
        period: seconds between the sensor's own updates, where it says so.
    """

    name: str
    quantity: str
    site: str
    form: Form
    scale: float
    described: str
    files: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    room: int | None = None
    period: float | None = None


def find_probes(
    link: Link, sensors: Iterable[Sensor], root: str = ""
) -> tuple[tuple[Probe, ...], dict[str, str]]:
    """The probes of `sensors` that are on the device, and for each other sensor why there is none.

    A sensor whose pattern fits several channels becomes as many probes, numbered from the second one on.

    Args:
        link: the device.
        sensors: of its profile.
        root: folder that holds `/sys` and `/proc`.

    Raises:
        DeviceUnreachable: the link broke.
    """
    wanted = {sensor.name: sensor for sensor in sensors}
    if not wanted:
        return (), {}
    answers = ask_all(link, {name: _question(sensor, root) for name, sensor in wanted.items()})
    probes: list[Probe] = []
    missing: dict[str, str] = {}
    for name, sensor in wanted.items():
        found = _resolve(sensor, answers[name].splitlines())
        probes += (replace(each, name=name if n == 0 else f"{name}.{n + 1}") for n, each in enumerate(found))
        if not found:
            missing[name] = f"the device has no {_describe(sensor)}"
    return tuple(probes), missing


def parse_text(probe: Probe, text: str) -> float | None:
    """What one reading says in the SI unit of its quantity; None for text that is no such number.

    A battery's readings are understood all together (`battery_power`), and so is how busy others are.
    """
    value = _PARSERS[probe.form](text)
    return None if value is None or not math.isfinite(value) else value * probe.scale


def parse_rails(text: str) -> float | None:
    """Watts of all rails that `vcgencmd pmic_read_adc` gives both a current and a voltage of."""
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for rail, kind, number in _RAIL.findall(text):
        found[kind][rail] = float(number)
    both = found["A"].keys() & found["V"].keys()
    return sum(found["A"][rail] * found["V"][rail] for rail in sorted(both)) if both else None


def battery_power(
    probe: Probe, texts: Sequence[str | None]
) -> tuple[tuple[float | None, ...], tuple[str, ...]] | Missing:
    """Watts that a battery gave, reading by reading, and what was assumed about them.

    Each text has the lines: power, or current and voltage; `status`; `online` of every charger. A battery
    that was charged or held full at any time says nothing about what the device drew.
    """
    width = 2 if probe.form == "battery" and "voltage_now" in probe.described else 1
    rows = [None if text is None else text.split("\n") for text in texts]
    whole = [row for row in rows if row is not None and len(row) > width]
    if refused := _why_not_discharging(whole, width):
        return Missing(missing=refused)
    numbers = [None if row is None else _numbers(row[:width]) for row in rows]
    assumptions = []
    factor = probe.scale
    if width == 2:
        assumptions.append(UNSIGNED)
        if max((abs(pair[0]) for pair in numbers if pair), default=0.0) < _LEAST_MICROAMPERE:
            assumptions.append(MILLIAMPERE)
            factor *= 1000
    watts = tuple(None if pair is None else abs(math.prod(pair)) * factor for pair in numbers)
    return watts, tuple(assumptions)


def _why_not_discharging(rows: Sequence[Sequence[str]], width: int) -> str | None:
    if not rows:
        return "the battery says nothing that can be read"
    status = sorted({row[width] for row in rows} - {"Discharging"})
    if status:
        words = ", ".join(status)[:60] or "silent"
        return f"the battery was not discharging all the time but {words}; {_UNPLUG}"
    if any("1" in row[width + 1 :] for row in rows):
        return (
            "a charger or USB power was connected: the battery gave only a part of what the device drew; "
            f"{_UNPLUG}"
        )
    return None


def _numbers(texts: Sequence[str]) -> tuple[float, ...] | None:
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return None
    return tuple(float(text) for text in texts)


def _parse_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _parse_product(text: str) -> float | None:
    parts = _numbers(text.split("\n"))
    return None if parts is None or len(parts) != 2 else math.prod(parts)


def _parse_degrees(text: str) -> float | None:
    found = _DEGREES.fullmatch(text)
    return float(found[1]) if found else None


def _parse_flags(text: str) -> float | None:
    found = _THROTTLED.fullmatch(text)
    return float(int(found[1], 16)) if found else None


_PARSERS: dict[Form, Callable[[str], float | None]] = {
    "number": _parse_number,
    "product": _parse_product,
    "temperature": _parse_degrees,
    "flags": _parse_flags,
    "rails": parse_rails,
    "cores": count_cores,
    "meter": parse_meter,
    "meter-cpu": lambda text: parse_meter(text, "CPU"),
    "battery": lambda _: None,
    "busy": lambda _: None,
}


def _question(sensor: Sensor, root: str) -> str:
    """A script that prints the paths that are there, one a line; `path=content` for what is read at once."""
    source = sensor.source
    if isinstance(source, CommandSource) and _FORMS[source.format] in ("meter", "meter-cpu"):
        # Every phone has the program, and few the service: only an answer tells.
        return f"{shlex.join(source.argv)} | grep -m 1 mWs"
    if isinstance(source, CommandSource):
        return f"command -v {shlex.quote(source.argv[0])}"
    if isinstance(source, FileSource):
        return f'for f in {root}{source.path}; do [ -r "$f" ] && echo "$f"; done'
    # Names and patterns are of letters that the shell does not touch: edgeq.devices.hardware.
    if isinstance(source, ThermalSource):
        return _in_folders(f"{root}/sys/class/thermal/thermal_zone*", "type", source.zone, ("temp",))
    if isinstance(source, HwmonSource):
        files = (source.input, *filter(None, (source.times,)))
        interval = '[ -r "$d/update_interval" ] && echo "$d/update_interval=$(cat "$d/update_interval")"'
        return _in_folders(f"{root}/sys/class/hwmon/hwmon*", "name", source.chip, files, interval)
    supplies = f"{root}/sys/class/power_supply"
    files = (source.attribute, *filter(None, (source.times,)), "status")
    return (
        f"for d in {supplies}/{source.supply}; do {_list_files(files)}; done; "
        f'for f in {supplies}/*/online; do [ -r "$f" ] && echo "$f"; done'
    )


def _in_folders(folders: str, label: str, pattern: str, files: Sequence[str], more: str = ":") -> str:
    listed = f"{_list_files(files)}; {more}"
    return f'for d in {folders}; do case "$(cat "$d/{label}")" in {pattern}) {listed};; esac; done'


def _list_files(files: Sequence[str]) -> str:
    return f'for f in {" ".join(files)}; do [ -r "$d/$f" ] && echo "$d/$f"; done'


def _resolve(sensor: Sensor, lines: Sequence[str]) -> list[Probe]:
    source = sensor.source
    whole = Probe(
        name=sensor.name,
        quantity=sensor.quantity,
        site=sensor.site,
        form="number",
        scale=UNITS[sensor.unit][1],
        described=_describe(sensor),
    )
    if isinstance(source, CommandSource):
        return [replace(whole, form=_FORMS[source.format], command=source.argv)] if lines else []
    if isinstance(source, FileSource | ThermalSource):
        return [replace(whole, files=(path,)) for path in lines]
    values = dict(line.partition("=")[::2] for line in lines)
    if isinstance(source, SupplySource):
        return _resolve_supply(whole, source, values)
    channel = (source.input, *filter(None, (source.times,)))
    return [
        replace(
            whole,
            form="product" if source.times else "number",
            files=tuple(f"{folder}/{name}" for name in channel),
            period=_milliseconds(values.get(f"{folder}/update_interval", "")),
        )
        for folder in _folders(values, channel)
    ]


def _resolve_supply(whole: Probe, source: SupplySource, paths: Iterable[str]) -> list[Probe]:
    paths = list(paths)
    channel = (source.attribute, *filter(None, (source.times,)))
    if whole.site != "battery" or whole.quantity != "power":
        form: Form = "product" if source.times else "number"
        return [
            replace(whole, form=form, files=tuple(f"{folder}/{name}" for name in channel))
            for folder in _folders(paths, channel)
        ]
    # Without `status` nothing says that the battery was discharging.
    return [
        replace(
            whole,
            form="battery",
            files=(
                *(f"{folder}/{name}" for name in (*channel, "status")),
                *(path for path in paths if path.endswith("/online") and not path.startswith(f"{folder}/")),
            ),
        )
        for folder in _folders(paths, (*channel, "status"))
    ]


def _folders(paths: Iterable[str], names: Sequence[str]) -> list[str]:
    """Folders that hold all of `names`, in order."""
    there = list(paths)
    folders = dict.fromkeys(path.rpartition("/")[0] for path in there)
    return [folder for folder in folders if all(f"{folder}/{name}" in there for name in names)]


def _milliseconds(text: str) -> float | None:
    value = _parse_number(text)
    return value / 1000 if value else None


def _describe(sensor: Sensor) -> str:
    source = sensor.source
    match source:
        case CommandSource():
            return f"command `{' '.join(source.argv)}`"
        case FileSource():
            return f"file {source.path}"
        case ThermalSource():
            return f"thermal zone {source.zone}"
        case HwmonSource():
            channel = source.input if source.times is None else f"{source.input} x {source.times}"
            return f"hwmon {source.chip} {channel}"
        case SupplySource():
            product = source.attribute if source.times is None else f"{source.attribute} x {source.times}"
            return f"power supply {source.supply} {product}"
