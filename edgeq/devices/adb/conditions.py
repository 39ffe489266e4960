"""Conditions that Android tells otherwise than Linux, or that only a phone has.

What is named here as in `edgeq.devices.conditions.OF_LINUX` takes its place on a phone.
"""

from edgeq.devices.condition import Conditions

ON_A_PHONE: Conditions = {}
