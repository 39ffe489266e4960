"""The state of a device around a measurement: clocks, temperature, load; readings, or reasons for none."""

import re

from edgeq.devices import supplies
from edgeq.devices.adb.conditions import ON_A_PHONE
from edgeq.devices.batch import ask_all
from edgeq.devices.condition import Condition, Conditions
from edgeq.devices.link import Link
from edgeq.devices.probe import parse_meminfo
from edgeq.devices.processor import busy_others
from edgeq.devices.profile import AdbSpec, DeviceProfile, EmulatorSpec
from edgeq.results.records import Reading

_CPUFREQ = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq"
_ZONES = "/sys/class/thermal/thermal_zone[0-9]*"

# A device may write anything. No clock or temperature has more digits; `\d` would take those of all scripts.
_NUMBER = re.compile("[0-9]{1,15}")
_UPTIME = re.compile(r"([0-9]{1,12}\.[0-9]{1,9}) ")
_CORE = re.compile("/(cpu[0-9]{1,6})/cpufreq/")

# Bits of `vcgencmd get_throttled`: Raspberry Pi documentation, "vcgencmd". The same four from `SINCE_BOOT` on
# tell what has happened since the device booted.
_THROTTLE_BITS = {0: "undervoltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_BOOT = 16


def read_conditions(link: Link, profile: DeviceProfile) -> dict[str, Reading]:
    """The device's conditions now, by name; asked in one command.

    Where the profile limits the load, this takes two seconds, in which it only waits.

    Names: `governor`, `clock.cpuN` (Hz), `temperature.ZONE` (degC), `throttling`, `load` (last minute's),
    `others` (cores that others keep busy; where it is limited), `memory_available` (B), `battery` (1),
    `battery_status`, `charger`, `usb`, `screen`. `clock` and
    `temperature` stand alone when there are none, with the reason.

    Raises:
        DeviceUnreachable: the link broke.
    """
    conditions = find_conditions(profile)
    answers = ask_all(link, {name: condition.question for name, condition in conditions.items()})
    emulated = isinstance(profile.link, EmulatorSpec)
    readings: dict[str, Reading] = {}
    for name, condition in conditions.items():
        foreign = emulated and condition.silicon
        readings |= _not_its_own(condition) if foreign else condition.parse(answers[name])
    if any(name.startswith("temperature.") for name in readings):
        readings.pop("temperature", None)
    return readings


def find_conditions(profile: DeviceProfile) -> Conditions:
    """What a device of that profile is asked, by name."""
    judged = profile.limits.load is not None and profile.clock == "wall"
    return {**OF_LINUX, **_BY_LINK.get(type(profile.link), {}), **(_OTHERS if judged else {})}


def parse_governors(text: str) -> dict[str, Reading]:
    """Frequency governors; several different ones are joined."""
    names = sorted(set(_by_path(text).values()))
    return {"governor": Reading(value=", ".join(names)) if names else _no_cpufreq()}


def parse_clocks(text: str) -> dict[str, Reading]:
    """Clock of each core from cpufreq's kHz."""
    return {
        f"clock.{core[1]}": Reading(value=int(khz) * 1000, unit="Hz")
        for path, khz in sorted(_by_path(text).items())
        if (core := _CORE.search(path)) and _NUMBER.fullmatch(khz)
    } or {"clock": _no_cpufreq()}


def parse_temperatures(text: str) -> dict[str, Reading]:
    """Temperature of each thermal zone, from thousandths of a degree; zones of one type are numbered."""
    content = _by_path(text)
    readings: dict[str, Reading] = {}
    for path, temperature in sorted(content.items()):
        zone, _, kind = path.rpartition("/")
        if kind != "temp" or not _NUMBER.fullmatch(temperature.removeprefix("-")):
            continue
        name = f"temperature.{content.get(f'{zone}/type', zone.rpartition('/')[2])}"
        if name in readings:
            name = f"{name}.{zone.rpartition('zone')[2]}"
        readings[name] = Reading(value=int(temperature) / 1000, unit="degC")
    return readings or {"temperature": Reading(missing="the kernel shows no thermal zone of this machine")}


def parse_throttling(text: str) -> dict[str, Reading]:
    """`vcgencmd get_throttled`: the number, and what it says about now."""
    found = re.search(r"throttled=(0x[0-9a-fA-F]{1,8})\b", text)
    if not found:
        return {"throttling": Reading(missing="vcgencmd is not there or does not answer")}
    now = tell_throttling(int(found[1], 16))
    return {"throttling": Reading(value=f"{found[1]} ({', '.join(now) or 'none now'})")}


def tell_throttling(flags: int) -> list[str]:
    """What the firmware's number says of now, in words."""
    return [word for bit, word in _THROTTLE_BITS.items() if flags >> bit & 1]


def parse_load(text: str) -> dict[str, Reading]:
    """Load average of the last minute."""
    found = re.match(r"([0-9]{1,9}\.[0-9]{1,9}) ", text)
    missing = Reading(missing="/proc/loadavg cannot be read")
    return {"load": Reading(value=float(found[1]), unit="1") if found else missing}


def parse_others(text: str) -> dict[str, Reading]:
    """Cores that other processes than the asking shell kept busy between two moments, each three lines."""
    lines = text.splitlines()
    moments = [lines[at : at + 3] for at in range(0, len(lines), 3)]
    uptimes = [_UPTIME.match(moment[0]) for moment in moments]
    times = [float(uptime[1]) for uptime in uptimes if uptime]
    found = busy_others(times, ["\n".join(moment[1:]) for moment in moments]) if all(uptimes) else []
    missing = Reading(missing="/proc/stat cannot be read")
    return {"others": Reading(value=found[0][1], unit="1") if found else missing}


def parse_memory(text: str) -> dict[str, Reading]:
    """Memory that a program can have without swapping."""
    free = parse_meminfo(text).get("MemAvailable")
    missing = Reading(missing="/proc/meminfo has no MemAvailable")
    return {"memory_available": missing if free is None else Reading(value=free, unit="B")}


# Scripts print `path:content` lines where there are several files of a kind. An emulated core has none of the
# silicon's; load and memory are what it really shares.
OF_LINUX: Conditions = {
    "governor": Condition(f"grep -H . {_CPUFREQ}/scaling_governor", parse_governors),
    "clock": Condition(f"grep -H . {_CPUFREQ}/scaling_cur_freq", parse_clocks),
    "temperature": Condition(f"grep -H . {_ZONES}/type {_ZONES}/temp", parse_temperatures),
    "throttling": Condition("vcgencmd get_throttled", parse_throttling),
    "load": Condition("cat /proc/loadavg", parse_load, silicon=False),
    "memory": Condition("cat /proc/meminfo", parse_memory, silicon=False),
    **supplies.CONDITIONS,
}
# The load average remembers what edgeq itself did in the last minute. Two seconds for `busy_others`, which
# wants one at least, and not a little less by rounding.
_MOMENT = 'for file in uptime self/stat stat; do read -r line </proc/$file; echo "$line"; done'
_OTHERS: Conditions = {"others": Condition(f"{_MOMENT}; sleep 2; {_MOMENT}", parse_others, silicon=False)}
_BY_LINK: dict[type, Conditions] = {AdbSpec: ON_A_PHONE}


def _by_path(text: str) -> dict[str, str]:
    """`path:content` lines of `grep -H .`."""
    return {
        path: value.strip()
        for path, colon, value in (line.partition(":") for line in text.splitlines())
        if colon
    }


def _not_its_own(condition: Condition) -> dict[str, Reading]:
    return {
        name: Reading(missing=f"an emulated core has none; the {name} of this machine is not the device's")
        for name in condition.parse("")
    }


def _no_cpufreq() -> Reading:
    return Reading(missing="the kernel has no cpufreq for this machine")
