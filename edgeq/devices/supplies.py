"""What feeds a device, and whether its screen is lit: Linux's power_supply and backlight classes.

Names and words are the kernel's: Documentation/ABI/testing/sysfs-class-power and sysfs-class-backlight.
"""

import re

from edgeq.devices.condition import Condition
from edgeq.results.records import Reading

_SUPPLIES = "/sys/class/power_supply"
_BACKLIGHTS = "/sys/class/backlight"
_FILES = ("type", "scope", "status", "capacity", "online")

_PERCENT = re.compile("[0-9]{1,3}")
# The words that the kernel's document gives for `status`.
_STATUS = {"Unknown", "Charging", "Discharging", "Not charging", "Full"}
# `bl_power` and FB_BLANK_UNBLANK: 0 is lit, anything else is not.
_LIT = "0"


def parse_supplies(text: str) -> dict[str, Reading]:
    """`battery` (charge, 0 to 1), `battery_status`, `charger` and `usb` (`online` or `offline`).

    A battery of scope `Device` is that of a mouse or the like and does not feed this device.
    """
    supplies = [each for each in _by_folder(text).values() if each.get("scope") != "Device"]
    return {**_battery(supplies), **_chargers(supplies)}


def parse_screen(text: str) -> dict[str, Reading]:
    """`screen`: `on` when a backlight is lit; a screen without one cannot be seen here."""
    states = [lamp["bl_power"] for lamp in _by_folder(text).values() if lamp.get("bl_power", "").isdigit()]
    if not states:
        return {"screen": Reading(missing="the kernel shows no backlight of this machine")}
    return {"screen": Reading(value="on" if _LIT in states else "off")}


def _battery(supplies: list[dict[str, str]]) -> dict[str, Reading]:
    battery = next((each for each in supplies if each.get("type") == "Battery"), None)
    if battery is None:
        missing = Reading(missing="the kernel shows no battery of this machine")
        return {"battery": missing, "battery_status": missing}
    percent, status = battery.get("capacity", ""), battery.get("status", "")
    known = _PERCENT.fullmatch(percent) and int(percent) <= 100
    return {
        "battery": Reading(value=int(percent) / 100, unit="1")
        if known
        else Reading(missing="the battery does not say how full it is"),
        "battery_status": Reading(value=status)
        if status in _STATUS
        else Reading(missing="the battery does not say what it does"),
    }


def _chargers(supplies: list[dict[str, str]]) -> dict[str, Reading]:
    readings = {}
    kinds = {"charger": ("Mains", "Wireless"), "usb": ("USB",)}
    for name, types in kinds.items():
        # Older kernels had types such as USB_DCP and USB_PD beside USB.
        found = [each.get("online", "") for each in supplies if each.get("type", "").startswith(types)]
        states = [state for state in found if state.isdigit()]
        if states:
            # 2 is online at a programmable voltage.
            readings[name] = Reading(value="online" if any(state != "0" for state in states) else "offline")
        else:
            readings[name] = Reading(missing=f"the kernel shows no {name} supply of this machine")
    return readings


def _by_folder(text: str) -> dict[str, dict[str, str]]:
    """`folder/file:content` lines of `grep -H .` as {folder: {file: content}}."""
    folders: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        path, colon, content = line.partition(":")
        folder, slash, name = path.rpartition("/")
        if colon and slash:
            folders.setdefault(folder, {})[name] = content.strip()
    return folders


CONDITIONS = {
    "supplies": Condition(
        " ".join(("grep -H .", *(f"{_SUPPLIES}/*/{name}" for name in _FILES))), parse_supplies
    ),
    "screen": Condition(f"grep -H . {_BACKLIGHTS}/*/bl_power", parse_screen),
}
