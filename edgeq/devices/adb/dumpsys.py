"""What Android's services say of a phone through `dumpsys`: pure parsers of text.

The layouts are those of AOSP: BatteryService.dumpInternal, ThermalManagerService.dump, PowerManagerService's
wakefulness line, and dumpEnergyMeter of Pixel's power statistics HAL. None was seen on a phone here.
"""

import re

from edgeq.results.records import Reading

_LINE = re.compile(r"^ +([A-Za-z ]+): *(\S.{0,39})$", re.MULTILINE)
_NUMBER = re.compile("-?[0-9]{1,9}")

# BatteryManager.BATTERY_STATUS_*, in the words of Linux's power_supply class, which a Linux device uses.
_STATUS = {"1": "Unknown", "2": "Charging", "3": "Discharging", "4": "Not charging", "5": "Full"}
# Where current comes from, as `edgeq.devices.supplies` calls it.
_POWERED = {"charger": ("AC powered", "Wireless powered", "Dock powered"), "usb": ("USB powered",)}

# android.os.PowerManager.THERMAL_STATUS_*.
_THERMAL_STATUS = {
    0: "none now",
    1: "light throttling",
    2: "moderate throttling",
    3: "severe throttling",
    4: "critical throttling",
    5: "emergency",
    6: "shutdown",
}
# Why there is no status after `cmd thermalservice override-status N`.
STATUS_TOLD = "its thermal service was told what to say; `cmd thermalservice reset` ends that"
_FROM_HAL = re.compile(r"^Current temperatures from HAL:\n((?:[ \t].*\n?)*)", re.MULTILINE)
_TEMPERATURE = re.compile(
    r"Temperature\{mValue=(-?[0-9]{1,4}(?:\.[0-9]{1,9})?), mType=(-?[0-9]{1,2}), mName=([^,}\n]{1,40}),"
)
# android.os.Temperature.TYPE_*: 6 to 8 are limits of the battery's voltage, current and charge, and -1 is
# unknown; no degrees.
_NO_DEGREES = {-1, 6, 7, 8}
_WAKEFULNESS = re.compile(r"^ *mWakefulness=([A-Za-z]{1,20})", re.MULTILINE)
# `    [S4M_VDD_CPUCL0]:CPU(LITTLE)    1234.56 mWs`; a delta in brackets may follow. 1 mWs is 1 mJ.
_RAIL = re.compile(r" *\[[^\s\]]{1,40}\]:([^\s:]{1,40}) +([0-9]{1,15}\.[0-9]{1,3}) mWs")
# What the battery gives to all of the phone, the other rails included.
_WHOLE_PHONE = "Battery"


def parse_battery(text: str) -> dict[str, Reading]:
    """`dumpsys battery`: `battery` (0 to 1), `battery_status`, `charger`, `usb`, `temperature.battery`.

    Its temperature is in tenths of a degree. A phone that `dumpsys battery unplug` or `set` was used on says
    what it was told to; there is no charge then, but a reason.
    """
    told = dict(_LINE.findall(text))
    if "(UPDATES STOPPED" in text:
        return _no_battery("its battery service was told what to say; `dumpsys battery reset` ends that")
    if "level" not in told or "status" not in told:
        return _no_battery("`dumpsys battery` does not answer")
    level, scale = _number(told["level"]), _number(told.get("scale", "100"))
    full = level is not None and scale is not None and 0 <= level <= scale and scale > 0
    tenths = _number(told.get("temperature", ""))
    heat = {} if tenths is None else {"temperature.battery": Reading(value=tenths / 10, unit="degC")}
    return {
        "battery": Reading(value=(level or 0) / (scale or 1), unit="1")
        if full
        else Reading(missing="the battery does not say how full it is"),
        "battery_status": Reading(value=_STATUS[told["status"]])
        if told["status"] in _STATUS
        else Reading(missing="the battery does not say what it does"),
        **{
            name: Reading(value="online" if any(told.get(line) == "true" for line in lines) else "offline")
            for name, lines in _POWERED.items()
        },
        **heat,
    }


def parse_thermal(text: str) -> dict[str, Reading]:
    """`dumpsys thermalservice`: `throttling`, and `temperature.NAME` of each sensor of the HAL's own block.

    The block of cached temperatures is not read: it holds what was true at some time. A status that the phone
    was told to show is none.
    """
    told = re.search(r"^IsStatusOverride: true$", text, re.MULTILINE)
    status = re.search(r"^Thermal Status: ([0-9])$", text, re.MULTILINE)
    word = _THERMAL_STATUS.get(int(status[1])) if status else None
    readings = {
        "throttling": Reading(value=f"thermal status {status[1]} ({word})")
        if status and word and not told
        else Reading(missing=STATUS_TOLD)
        if told
        else Reading(missing="`dumpsys thermalservice` tells no thermal status (it came with Android 10)")
    }
    block = _FROM_HAL.search(text)
    for value, kind, name in _TEMPERATURE.findall(block[1] if block else ""):
        if int(kind) not in _NO_DEGREES:
            readings[f"temperature.{name}"] = Reading(value=float(value), unit="degC")
    return readings


def parse_screen(text: str) -> dict[str, Reading]:
    """`dumpsys power`: `screen`, `on` when the phone is awake. A screen that is on draws power."""
    found = _WAKEFULNESS.search(text)
    if not found:
        return {"screen": Reading(missing="`dumpsys power` does not tell whether the screen is on")}
    return {"screen": Reading(value="on" if found[1] in ("Awake", "Dreaming") else "off")}


def parse_meter(text: str, subsystem: str = "") -> float | None:
    """Joules that the phone's rails have taken since it started, of those of `subsystem` or of all.

    Rails are summed that `dumpsys android.hardware.power.stats.IPowerStats/default` lists with an energy.
    `CPU(BIG)` belongs to the subsystem `CPU`. None when there is no such rail, or one that cannot be read:
    the sum of the others would be too low.
    """
    rails = []
    for line in text.splitlines():
        if " mWs" not in line or "]:" not in line:
            continue
        found = _RAIL.match(line)
        if found is None:
            return None
        owner = found[1].partition("(")[0]
        if owner != _WHOLE_PHONE and subsystem in ("", owner):
            rails.append(float(found[2]))
    return sum(rails) / 1000 if rails else None


def _no_battery(why: str) -> dict[str, Reading]:
    return {name: Reading(missing=why) for name in ("battery", "battery_status", *_POWERED)}


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
