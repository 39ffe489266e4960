"""What a run on a device cannot show, and why: known before anything is measured."""

from edgeq.devices.profile import DeviceProfile
from edgeq.measure.memory import BY_STAGE, COLD
from edgeq.measure.power import find_power_gap
from edgeq.measure.watch import WATCHED
from edgeq.results.records import Clock, Missing, Spec

# What the latency pass times.
TIMED = ("latency", "load", "init", "first", "empty")
# What the memory pass gives.
OF_MEMORY = (*BY_STAGE, *COLD)

NO_CLOCK = "qemu-user has no clock: how long something takes there says nothing about a device"
NOT_ASKED = "not asked for"
_NO_TRACE = "ExecuTorch's Java library gives an app no event trace; run without --in-app"
_NO_SENSORS = "an app may not read the phone's sensors of power; run without --in-app"
_NOT_IN_APP = "an app may not read the files of the kernel that tell of it; run without --in-app"
# Why the state of the device is not sampled beside inferences.
NOT_SAMPLED: dict[Clock, str] = {
    "instructions": "an emulated board's state does not change, and its clock would count the sampling",
    "none": "an emulated core has no state of its own",
}


def find_gaps(profile: DeviceProfile, spec: Spec) -> dict[str, str]:
    """Why there will be no series of a name, by that name; what is not named is to be measured."""
    gaps = {}
    if profile.clock == "none":
        gaps = dict.fromkeys(TIMED, NO_CLOCK)
    elif "latency" not in spec.passes:
        gaps = dict.fromkeys(TIMED, NOT_ASKED)
    if profile.clock != "wall" or "latency" not in spec.passes:
        why = NOT_SAMPLED.get(profile.clock, NOT_ASKED)
        gaps |= dict.fromkeys(WATCHED, why)
    elif spec.in_app:
        gaps |= dict.fromkeys(WATCHED, _NOT_IN_APP)
    if "memory" not in spec.passes:
        gaps |= dict.fromkeys(OF_MEMORY, NOT_ASKED)
    power = _NO_SENSORS if spec.in_app else find_power_gap(profile.kind, profile.clock, profile.sensors)
    if power is None and "power" not in spec.passes:
        power = NOT_ASKED
    return gaps if power is None else {**gaps, "power": power, "energy": power}


def find_operator_gap(profile: DeviceProfile, spec: Spec) -> Missing:
    """Why there is no table of operators, as long as there is none."""
    asked = "operators" in spec.passes
    if asked and spec.in_app:
        return Missing(missing=_NO_TRACE)
    return Missing(missing=NO_CLOCK if asked and profile.clock == "none" else NOT_ASKED)
