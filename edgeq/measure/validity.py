"""Whether a run was made under conditions that its number can be trusted in, and the wait for such ones."""

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from edgeq.devices.adb.dumpsys import STATUS_TOLD
from edgeq.devices.conditions import read_conditions
from edgeq.devices.link import Link
from edgeq.devices.profile import DeviceProfile
from edgeq.measure.disturbances import (
    find_busy_others,
    find_lost_cores,
    find_past_throttling,
    find_slow_clock,
    find_throttled,
)
from edgeq.results.records import Conditions, Pairing, Reading, Series, Spec
from edgeq.results.spans import measured_spans
from edgeq.units import format_quantity

Readings = Mapping[str, Reading]
Announce = Callable[[str], None]

_ASK_SECONDS = 5.0


def is_timed(spec: Spec) -> bool:
    """Whether any pass takes what depends on the device's state: time, or power."""
    return not {"latency", "operators", "power"}.isdisjoint(spec.passes)


def find_faults(
    profile: DeviceProfile,
    conditions: Conditions,
    series: Sequence[Series] = (),
    pairing: Pairing | None = None,
    cpus: Collection[int] = (),
) -> tuple[str, ...]:
    """Why a run is not valid: each limit of the profile that was not kept; empty for a valid one.

    Only a clock that counts time depends on any of this. A limit whose reading is missing is not kept either:
    nobody knows. What was sampled counts while the measured inferences ran, and not in between or before.

    Args:
        profile: of the device.
        conditions: before and after.
        series: of the run, the sampled ones among them.
        pairing: of a run that was measured in rounds.
        cpus: cores that the inferences were pinned to.
    """
    if profile.clock != "wall":
        return ()
    limits, before, after = profile.limits, conditions.before, conditions.after
    faults = [
        _above("the load of others at the start", before.get("others"), limits.load, "1"),
        _above("the temperature at the start", _hottest(before), limits.temperature, "degC"),
        _other("the governor", before.get("governor"), limits.governor)
        or _other("the governor at the end", after.get("governor"), limits.governor),
        None if limits.throttling_allowed else _throttled(after.get("throttling")),
    ]
    spans = measured_spans(series, pairing)
    found = [fault for fault in faults if fault is not None]
    slow = partial(find_slow_clock, series, spans, bool(cpus))
    found += _sampled("the clock during the run", limits.clock, slow)
    busy = partial(find_busy_others, series, spans)
    found += _sampled("the load of others during the run", limits.others, busy)
    found += find_lost_cores(series, spans)
    if not limits.throttling_allowed:
        found += find_throttled(series, spans)
        found += find_past_throttling(before.get("throttling"), after.get("throttling"))
    return tuple(found)


def await_cool(link: Link, profile: DeviceProfile, announce: Announce) -> None:
    """Wait until the device is no hotter than its profile's limit, for `limits.cool_seconds` at most.

    A device that stays too hot is measured all the same: the run says so and is not valid.

    Raises:
        DeviceUnreachable: the link broke.
    """
    limit = profile.limits.temperature
    if limit is None or profile.clock != "wall":
        return
    until = time.monotonic() + profile.limits.cool_seconds
    while (hottest := _hottest(read_conditions(link, profile))) is not None:
        left = until - time.monotonic()
        if not isinstance(hottest.value, int | float) or hottest.value <= limit or left <= 0:
            return
        announce(
            f"{format_quantity(hottest.value, 'degC')}, waiting for {format_quantity(limit, 'degC')}; "
            f"{left:.0f} s at most"
        )
        time.sleep(min(_ASK_SECONDS, left))


def _sampled(what: str, limit: float | None, find: Callable[[float], list[str] | None]) -> list[str]:
    if limit is None:
        return []
    found = find(limit)
    return [f"{what} is not known: it was not sampled"] if found is None else found


def _hottest(readings: Readings) -> Reading | None:
    zones = [
        reading
        for name, reading in readings.items()
        if name.startswith("temperature.") and isinstance(reading.value, int | float)
    ]
    return max(zones, key=lambda zone: float(zone.value or 0), default=readings.get("temperature"))


def _above(what: str, reading: Reading | None, limit: float | None, unit: str) -> str | None:
    if limit is None:
        return None
    if reading is None or not isinstance(reading.value, int | float):
        return f"{what} is not known: {_why(reading)}"
    if reading.value <= limit:
        return None
    now, most = (format_quantity(value, unit, digits=3) for value in (reading.value, limit))
    return f"{what} was {now}, above {most}"


def _other(what: str, reading: Reading | None, wanted: str | None) -> str | None:
    if wanted is None or (reading is not None and reading.value == wanted):
        return None
    if reading is None or reading.value is None:
        return f"{what} is not known: {_why(reading)}"
    return f"{what} was {reading.value}, not {wanted}"


def _throttled(reading: Reading | None) -> str | None:
    """What the firmware says of the end of the run; a device that tells nothing is not accused."""
    if reading is not None and reading.missing == STATUS_TOLD:
        return f"whether the device was held back is not known: {STATUS_TOLD}"
    found = re.search(r"\((.*)\)", str(reading.value)) if reading is not None and reading.value else None
    return None if found is None or found[1] == "none now" else f"the device was held back: {found[1]}"


def _why(reading: Reading | None) -> str:
    return (reading.missing if reading is not None else None) or "not read"
