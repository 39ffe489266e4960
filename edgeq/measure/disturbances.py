"""What was sampled while inferences were measured, and what of it speaks against the run."""

import re
from collections.abc import Iterator, Sequence

from edgeq.devices.conditions import SINCE_BOOT, tell_throttling
from edgeq.measure.watch import INTERVAL
from edgeq.results.records import Reading, Series
from edgeq.results.spans import Spans
from edgeq.units import format_quantity

_NOW = (1 << SINCE_BOOT) - 1
_FLAGS = re.compile("0x([0-9a-fA-F]{1,8})")

# A run shorter than the interval of sampling is read once, right after its last inference.
_JUST_AFTER = 0.1

Samples = list[tuple[float, float]]


def sampled_within(series: Sequence[Series], quantity: str, spans: Spans) -> Iterator[tuple[Series, Samples]]:
    """Each sampled series of `quantity` (`clock`, or `clock.cpu0` and so on) with its samples in `spans`."""
    for each in series:
        if each.phase != "sampled" or each.name.partition(".")[0] != quantity or each.times is None:
            continue
        pairs = zip(each.times, each.values, strict=True)
        inside = [
            (at, value)
            for at, value in pairs
            if any(begin <= at <= end + _JUST_AFTER for begin, end in spans)
        ]
        if inside:
            yield each, inside


def find_slow_clock(series: Sequence[Series], spans: Spans, pinned: bool, least: float) -> list[str] | None:
    """Where a clock was below `least` Hz; None when no clock was sampled in time.

    Of inferences that are pinned every core counts. Of others nobody knows where they ran, and idle cores are
    slow for good reasons: then the fastest core at each time counts, of those that were read then.
    """
    sampled = list(sampled_within(series, "clock", spans))
    if not sampled:
        return None
    rows = [(each.name.partition(".")[2], inside) for each, inside in sampled]
    if not pinned:
        rows = [("the fastest core", _find_fastest([inside for _, inside in rows]))]
    found = []
    for name, inside in rows:
        slow = [(at, value) for at, value in inside if value < least]
        if slow:
            lowest, began = min(value for _, value in slow), slow[0][0] - spans[0][0]
            texts = [format_quantity(value, "Hz", digits=3) for value in (lowest, least)]
            found.append(
                f"the clock of {name} fell to {texts[0]} during the run, below {texts[1]}: in {len(slow)} of "
                f"{len(inside)} samples, first {format_quantity(began, 's', digits=3)} after its beginning"
            )
    return found


def _find_fastest(cores: Sequence[Samples]) -> Samples:
    """The highest value each time that cores were read, one after the other in their order.

    A core whose reading failed is not there that time, so that samples of one index are not of one time.
    """
    ordered = sorted((at, place, value) for place, samples in enumerate(cores) for at, value in samples)
    fastest: Samples = []
    last = len(cores)
    for at, place, value in ordered:
        if place > last and at - fastest[-1][0] <= INTERVAL:
            fastest[-1] = (fastest[-1][0], max(fastest[-1][1], value))
        else:
            fastest.append((at, value))
        last = place
    return fastest


def find_busy_others(series: Sequence[Series], spans: Spans, most: float) -> list[str] | None:
    """Whether others kept more than `most` cores busy in the mean; None when that was not sampled in time."""
    for _, inside in sampled_within(series, "others", spans):
        mean = sum(value for _, value in inside) / len(inside)
        if mean > most:
            return [f"other processes kept {mean:.2f} cores busy during the run, above {most:g}"]
        return []
    return None


def find_throttled(series: Sequence[Series], spans: Spans) -> list[str]:
    """Each sensor that told of throttling in the middle of the run, and when."""
    found = []
    for each, inside in sampled_within(series, "throttling", spans):
        held = [(at, int(value) & _NOW) for at, value in inside if int(value) & _NOW]
        if not held:
            continue
        flags = 0
        for _, value in held:
            flags |= value
        words = tell_throttling(flags) if "vcgencmd" in each.source else []
        first, last = (format_quantity(at - spans[0][0], "s", digits=3) for at in (held[0][0], held[-1][0]))
        what = ", ".join(words) or f"{each.name} told of it"
        found.append(
            f"the device was held back during the run: {what} in {len(held)} of {len(inside)} samples, "
            f"from {first} to {last} after the first inference"
        )
    return found


def find_lost_cores(series: Sequence[Series], spans: Spans) -> list[str]:
    """Whether the number of cores that were online changed in the middle of the run."""
    for _, inside in sampled_within(series, "cores", spans):
        counts = [int(value) for _, value in inside]
        if min(counts) != max(counts):
            return [f"between {min(counts)} and {max(counts)} cores were online during the run"]
    return []


def find_past_throttling(before: Reading | None, after: Reading | None) -> list[str]:
    """What the firmware remembers at the end only: the device was throttled in between, and recovered."""
    flags = []
    for reading in (before, after):
        found = _FLAGS.match("" if reading is None else str(reading.value))
        if found is None:
            return []
        flags.append(int(found[1], 16))
    # What holds at the end is told as that.
    new = tell_throttling((flags[1] & ~flags[0]) >> SINCE_BOOT & ~flags[1])
    return [f"the device was held back between the two readings: {', '.join(new)}"] if new else []
