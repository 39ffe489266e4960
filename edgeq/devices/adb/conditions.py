"""Conditions that Android tells otherwise than Linux, or that only a phone has.

What is named here as in `edgeq.devices.conditions.OF_LINUX` takes its place on a phone, whose shell may often
not read the files that Linux has for it.
"""

from edgeq.devices.adb.dumpsys import parse_battery, parse_screen, parse_thermal
from edgeq.devices.condition import Condition, Conditions

ON_A_PHONE: Conditions = {
    "throttling": Condition("dumpsys thermalservice", parse_thermal),
    "supplies": Condition("dumpsys battery", parse_battery),
    # The whole of it is long, and a phone's shell has grep.
    "screen": Condition("dumpsys power | grep -m 1 mWakefulness=", parse_screen),
}
