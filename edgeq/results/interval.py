"""How far the ratio of two medians can be trusted: a bootstrap over blocks, wider for an unsteady series.

Neighbouring inferences share the temperature, the clock and the scheduler's mood, so that resampling single
values makes an interval that is far too narrow. Here whole blocks are drawn, longer than the series
remembers. A series that remembers so long that few blocks are left (a drift, a step) has no single level;
then the interval spans the levels that it went through, and half as much again on either side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# With fewer, a series that stays on one of its levels for a while may never show another.
LEAST_VALUES = 50
# A gate is asked many times: one in a hundred wrong, not one in twenty.
CONFIDENCE = 0.99
RESAMPLES = 2000
# Of a longer series, as a run of minutes gives, so many are drawn: more would make nothing clearer.
MOST_VALUES = 10_000
# Blocks that are fewer than this do not show how much a median can vary.
LEAST_BLOCKS = 12
# Parts whose medians stand for the levels of an unsteady series.
LEVELS = 5
# How much further than its levels such a series may go, as a share of how far they lie apart.
BEYOND = 0.5
# Fixed: the same two series always get the same interval.
SEED = 20260

Floats = np.ndarray[Any, np.dtype[np.float64]]

_TAILS = (100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2)


@dataclass(frozen=True)
class RatioInterval:
    """`median(new) / median(base)` lies between `low` and `high` with a confidence of `CONFIDENCE`.

    `steady` is false when a series drifted or stepped and the interval spans its levels.
    """

    low: float
    high: float
    steady: bool


@dataclass(frozen=True)
class MedianInterval:
    """The median lies between `low` and `high` with a confidence of `CONFIDENCE`; `steady` as above."""

    low: float
    high: float
    steady: bool


def bound_median(values: Sequence[float]) -> MedianInterval:
    """The interval of the median of a series in the order in which it was taken.

    Raises:
        ValueError: fewer than `LEAST_VALUES` values, or values that are no numbers.
    """
    series = thin(np.asarray(values, dtype=np.float64))
    if series.size < LEAST_VALUES:
        raise ValueError(f"an interval needs at least {LEAST_VALUES} values")
    if not np.isfinite(series).all():
        raise ValueError("an interval needs finite values")
    block = block_length(series)
    steady = block is not None
    medians = (
        _span_levels(series)
        if block is None
        else _resample_medians(series, block, np.random.default_rng(SEED))
    )
    low, high = np.percentile(medians, _TAILS)
    tick = find_tick(np.asarray(values, dtype=np.float64))
    return MedianInterval(float(low - tick), float(high + tick), steady=steady)


def bound_ratio(base: Sequence[float], new: Sequence[float]) -> RatioInterval:
    """The interval of the ratio of the medians of two series in the order in which they were taken.

    Raises:
        ValueError: fewer than `LEAST_VALUES` values on a side, or values that are not above zero.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (base, new)]
    if min(side.size for side in sides) < LEAST_VALUES:
        raise ValueError(f"an interval needs at least {LEAST_VALUES} values on each side")
    if not all(np.isfinite(side).all() and (side > 0).all() for side in sides):
        raise ValueError("a ratio needs values above zero")
    ticks = [find_tick(side) for side in sides]
    sides = [thin(side) for side in sides]
    generator = np.random.default_rng(SEED)
    blocks = [block_length(side) for side in sides]
    steady = None not in blocks
    medians = [
        _span_levels(side) if block is None else _resample_medians(side, block, generator)
        for side, block in zip(sides, blocks, strict=True)
    ]
    if steady:
        low, high = np.percentile(medians[1] / medians[0], _TAILS)
    else:
        (base_low, base_high), (new_low, new_high) = (np.percentile(each, _TAILS) for each in medians)
        low, high = new_low / base_high, new_high / base_low
    # No median is known better than to a tick of the clock (and what floating point makes of it).
    tick = (1 + 1e-9) * max(ticks) / np.median(sides[0])
    return RatioInterval(max(0.0, float(low - tick)), float(high + tick), steady=steady)


def block_length(values: Floats) -> int | None:
    """Values in a block: twice what the series remembers, at least the cube root of its length.

    None when fewer than `LEAST_BLOCKS` such blocks fit.
    """
    length = max(int(np.ceil(2 * memory(values))), int(np.ceil(values.size ** (1 / 3))))
    return length if values.size >= LEAST_BLOCKS * length else None


def memory(values: Floats) -> float:
    """Integrated autocorrelation time of the ranks, in values: 1 for independent values.

    Ranks, because one outlier must not hide a step. The sum over lags ends at the first pair of neighbouring
    lags whose sum is not positive (Geyer's initial positive sequence, Statistical Science 7, 1992).
    """
    ranks = _rank(values)
    centered = ranks - ranks.mean()
    variance = float(centered @ centered)
    if variance == 0:
        return 1.0
    padded = np.fft.rfft(centered, 2 * values.size)
    correlation = np.fft.irfft(padded * padded.conj())[: values.size] / variance
    pairs = correlation[: values.size // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    kept = pairs[: negative[0]] if negative.size else pairs
    return max(1.0, float(2 * kept.sum() - 1))


def thin(values: Floats, most: int = MOST_VALUES) -> Floats:
    """At most `most` of the values, in their order, one by chance out of each of as many stretches.

    By chance, because every tenth value may be of the same sample; the same values are always thinned alike.
    """
    if values.size <= most:
        return values
    bounds = np.linspace(0, values.size, most + 1).astype(int)
    return values[np.random.default_rng(SEED).integers(bounds[:-1], bounds[1:])]


def _rank(values: Floats) -> Floats:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Floats = (ends - (counts + 1) / 2)[inverse]
    return shared


def _resample_medians(values: Floats, block: int, generator: np.random.Generator) -> Floats:
    """Medians of `RESAMPLES` series made of blocks of `values`, which is taken as a circle."""
    size = values.size
    count = -(-size // block)
    medians = np.empty(RESAMPLES)
    # In parts, so that a series of 100,000 values does not take gigabytes.
    step = max(1, 4_000_000 // size)
    for first in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - first)
        starts = generator.integers(0, size, (rows, count, 1))
        index = ((starts + np.arange(block)) % size).reshape(rows, -1)[:, :size]
        medians[first : first + rows] = np.median(values[index], axis=1)
    return medians


def _span_levels(values: Floats) -> Floats:
    """Both ends of the levels of an unsteady series, widened."""
    levels = [float(np.median(part)) for part in np.array_split(values, LEVELS)]
    low, high = min(levels), max(levels)
    # Never to zero: a ratio must stay one.
    return np.array([max(low - BEYOND * (high - low), low / 2), high + BEYOND * (high - low)])


def find_tick(values: Floats) -> float:
    """The smallest difference between two values, 0 for a constant series: no less than the clock's tick."""
    distinct = np.unique(values)
    return float(np.diff(distinct).min()) if distinct.size > 1 else 0.0
