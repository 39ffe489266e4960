"""A run of minutes: its latency at first and at last, when the device began to slow down, what it kept.

The run is cut into windows of equal time; a window's value is the median of the inferences that began in it.
Changes are looked for in these medians (`edgeq.results.changes`). Neighbouring windows share the device's
temperature and are not exchangeable, so that a slow wave may be cut too: a cut counts as slowing down only if
the level behind it is higher than the first one by `LEAST_SLOWDOWN`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from edgeq.results.changes import Cut, find_shifts
from edgeq.results.interval import LEAST_VALUES, bound_ratio
from edgeq.results.records import Missing, Record, Run, Series, Unit

# A shorter run does not show what heat does; passively cooled boards take a minute or more to throttle.
LEAST_SECONDS = 60.0
_SLACK = 1.0
# Windows: enough for a change to show, and few enough that each holds inferences to take a median of.
MOST_WINDOWS = 60
LEAST_IN_A_WINDOW = 5
LEAST_WINDOWS = 10
# First and last part of the run that are set beside each other.
PART = 0.1
LEAST_SLOWDOWN = 0.03

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Level(Record, frozen=True, kw_only=True):
    """From `since` seconds after the start of the run, the typical latency was `median`."""

    since: float
    median: float


class Sustained(Record, frozen=True, kw_only=True):
    """How a long run went.

    Attributes:
        seconds: from the start of the first inference to the start of the last.
        part: length of the first and of the last part, in seconds.
        first: median of the first part, in `unit`.
        last: median of the last part.
        retention: share of the first part's speed that was left in the last: `first / last`.
        low: lower end of the interval of `retention`; None with too few inferences in a part.
        high: upper end.
        onset: seconds after the start at which the device had begun to slow down; None when it never did.
        levels: of the windows, the first one at 0 s.
        windows: how many there were.
        slowest: largest median of a window.
    """

    unit: Unit
    seconds: float
    part: float
    first: float
    last: float
    retention: float
    low: float | None
    high: float | None
    onset: float | None
    levels: tuple[Level, ...]
    windows: int
    slowest: float


def find_sustained(run: Run) -> Sustained | Missing | None:
    """How a run went, or why that cannot be told; None unless it is long, of one piece, on a wall clock."""
    series = run.find_series("latency")
    if series is None or series.unit != "s" or run.pairing is not None or not series.times:
        return None
    # The last inference of a run that was asked to last a minute begins before the minute is over.
    least = LEAST_SECONDS - (_SLACK if run.spec.seconds[0] >= LEAST_SECONDS else 0.0)
    if series.times[-1] - series.times[0] < least:
        return None
    try:
        return follow_series(series)
    except ValueError as error:
        return Missing(missing=str(error))


def follow_series(series: Series) -> Sustained:
    """Cut a series with times into windows and follow them.

    Raises:
        ValueError: no times, a clock that runs backwards or jumps, latencies that are not above zero, or too
            few of them for `LEAST_WINDOWS` windows.
    """
    values = np.asarray(series.values, dtype=np.float64)
    if series.times is None or len(series.times) != values.size:
        raise ValueError("a long run is followed by its times, and there is not one for each value")
    if values.size < LEAST_WINDOWS * LEAST_IN_A_WINDOW:
        raise ValueError(f"{values.size} inferences are too few to follow")
    starts = np.asarray(series.times, dtype=np.float64) - series.times[0]
    if (np.diff(starts) < 0).any() or not starts[-1] > 0:
        raise ValueError("the clock of the run went backwards or stood still")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("latencies must be above zero")
    seconds = float(starts[-1])
    first = values[starts <= PART * seconds]
    last = values[starts >= (1 - PART) * seconds]
    begins, medians = _take_windows(starts, values)
    if len(medians) < LEAST_WINDOWS:
        raise ValueError("nothing ran for most of the time, or the clock jumped")
    levels = _list_levels(_place_cuts(find_shifts(medians), medians), begins, medians)
    at_first, at_last = float(np.median(first)), float(np.median(last))
    low, high = _bound_retention(first.tolist(), last.tolist())
    slower = (level for level in levels[1:] if level.median >= levels[0].median * (1 + LEAST_SLOWDOWN))
    return Sustained(
        unit=series.unit,
        seconds=seconds,
        part=PART * seconds,
        first=at_first,
        last=at_last,
        retention=at_first / at_last,
        low=low,
        high=high,
        onset=next((level.since for level in slower), None),
        levels=levels,
        windows=len(medians),
        slowest=max(medians),
    )


def _take_windows(starts: Floats, values: Floats) -> tuple[list[float], list[float]]:
    """Where each window begins, in seconds, and its median; windows in which nothing began are left out."""
    count = min(MOST_WINDOWS, max(LEAST_WINDOWS, values.size // LEAST_IN_A_WINDOW))
    width = float(starts[-1]) / count
    place = np.minimum((starts / width).astype(int), count - 1)
    present = [int(number) for number in np.unique(place)]
    medians = [float(np.median(values[place == number])) for number in present]
    return [number * width for number in present], medians


def _place_cuts(cuts: Sequence[Cut], medians: Sequence[float]) -> list[Cut]:
    """Each cut where the levels on both sides fit best, by absolute distance.

    Ranks tell surely that there is a change, and not so surely where, when it is not in the middle.
    """
    series = np.asarray(medians)
    ends = [*(cut.index for cut in cuts[1:]), series.size]
    placed: list[Cut] = []
    for cut, end in zip(cuts, ends, strict=False):
        start = placed[-1].index if placed else 0
        stretch = series[start:end]
        # What each value fits better behind the cut than before it; the best cut has it all behind.
        gain = np.abs(stretch - cut.before) - np.abs(stretch - cut.after)
        behind = np.cumsum(gain[::-1])[::-1]
        placed.append(replace(cut, index=start + 1 + int(np.argmax(behind[1:]))))
    return placed


def _list_levels(cuts: Sequence[Cut], begins: Sequence[float], medians: Sequence[float]) -> tuple[Level, ...]:
    whole = float(np.median(medians))
    first = Level(since=0.0, median=cuts[0].before if cuts else whole)
    return (first, *(Level(since=begins[cut.index], median=cut.after) for cut in cuts))


def _bound_retention(first: Sequence[float], last: Sequence[float]) -> tuple[float | None, float | None]:
    """The interval of `first / last`, or nothing when a part is too short for one."""
    if min(len(first), len(last)) < LEAST_VALUES:
        return None, None
    interval = bound_ratio(last, first)
    return interval.low, interval.high
