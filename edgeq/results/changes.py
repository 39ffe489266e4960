"""Change points of a sequence of numbers: exact for counted quantities, by a rank test for noisy ones.

Noisy: binary segmentation. A stretch of n values is cut where the ranks before and after differ most (the
largest standardized Mann-Whitney statistic over all cuts), if that is larger than all but a share `ALPHA` of
the same statistic over random orders of the same values. Ranks need no distribution and shrug at outliers;
the test over random orders is exact for values that are exchangeable while nothing changes, so a stretch
without a change is cut with probability `ALPHA`, whatever its length. Values that drift together for a while
(a warm day) are not exchangeable, and are cut more often: `benchmarks/history.py` shows how much.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edgeq.results.records import Record

# The chance that a stretch without a change is said to have one.
ALPHA = 0.01
# Fewer values than this on one side of a cut prove nothing: chance sets 5 and 5 values wholly apart in 2 of
# 252 orders, just under ALPHA.
LEAST_SIDE = 5
# A smaller shift of a noisy quantity is not worth a reader's time, however certain.
LEAST_SHIFT = 0.01
_ORDERS = 4999
_CHUNK = 250

Ranks = NDArray[np.float64]


class Cut(Record, frozen=True, kw_only=True):
    """The value at `index` is the first of a new level.

    Attributes:
        index: of the first value after the change.
        before: median of the level before.
        after: median of the level after.
        p: the share of random orders that look at least as changed; None where values are exact.
    """

    index: int
    before: float
    after: float
    p: float | None = None


def find_steps(values: Sequence[float], least: float) -> list[Cut]:
    """Cuts of an exact quantity: where a value differs from its level's median by more than `least` of it.

    The level is the median of all values since the last cut, so that a slow drift is found once it has come
    further than `least`, too. Levels whose medians are not that far apart are joined again. With `least` 0
    every difference is a cut.
    """
    indices: list[int] = []
    start = 0
    for index in range(1, len(values)):
        level = median(values[start:index])
        if abs(values[index] - level) > least * abs(level):
            indices.append(index)
            start = index
    return _without_small(values, dict.fromkeys(indices), least)


def find_shifts(values: Sequence[float]) -> list[Cut]:
    """Cuts of a noisy quantity, by the rank test above; none in fewer than `2 * LEAST_SIDE` values.

    The random orders come from a fixed seed: the same values give the same answer.
    """
    found: dict[int, float | None] = {}
    stretches = [(0, len(values))]
    while stretches:
        start, end = stretches.pop()
        if end - start < 2 * LEAST_SIDE:
            continue
        ranks = _centred_ranks(values[start:end])
        cut, strength = _strongest_cut(ranks)
        p = _share_of_orders(ranks, strength)
        if p is not None:
            found[start + cut] = p
            stretches += [(start, start + cut), (start + cut, end)]
    return _without_small(values, found, LEAST_SHIFT)


def _make_cuts(values: Sequence[float], found: dict[int, float | None]) -> list[Cut]:
    indices = sorted(found)
    bounds = [0, *indices, len(values)]
    levels = [median(values[start:end]) for start, end in pairwise(bounds) if start < end]
    return [
        Cut(index=index, before=levels[n], after=levels[n + 1], p=found[index])
        for n, index in enumerate(indices)
    ]


def _without_small(values: Sequence[float], found: dict[int, float | None], least: float) -> list[Cut]:
    """Join levels whose medians differ by less than `least`, as a share, the closest first."""
    while cuts := _make_cuts(values, found):
        smallest = min(cuts, key=_size)
        if _size(smallest) >= least:
            break
        del found[smallest.index]
    return cuts


def _size(cut: Cut) -> float:
    return abs(cut.after - cut.before) / abs(cut.before) if cut.before else float("inf")


def _centred_ranks(values: Sequence[float]) -> Ranks:
    """Ranks with mean 0; equal values share the middle one of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks: Ranks = middle[inverse] - (len(values) + 1) / 2
    return ranks


def _strengths(ranks: Ranks) -> Ranks:
    """|sum of ranks before a cut| over its standard deviation, up to a factor; cuts along the last axis."""
    n = ranks.shape[-1]
    cuts = np.arange(LEAST_SIDE, n - LEAST_SIDE + 1)
    sums = np.cumsum(ranks, axis=-1)[..., LEAST_SIDE - 1 : n - LEAST_SIDE]
    strengths: Ranks = np.abs(sums) / np.sqrt(cuts * (n - cuts))
    return strengths


def _strongest_cut(ranks: Ranks) -> tuple[int, float]:
    strengths = _strengths(ranks)
    best = int(np.argmax(strengths))
    return best + LEAST_SIDE, float(strengths[best])


def _share_of_orders(ranks: Ranks, strength: float) -> float | None:
    """Share of random orders at least as strong, the seen one included; None once it must exceed `ALPHA`."""
    random = np.random.default_rng(0)
    reached, drawn = 1, 0
    while drawn < _ORDERS:
        size = min(_CHUNK, _ORDERS - drawn)
        orders = random.permuted(np.broadcast_to(ranks, (size, len(ranks))), axis=1)
        # Equal sums of the same ranks may differ in the last bit.
        reached += int(np.sum(_strengths(orders).max(axis=1) >= strength * (1 - 1e-12)))
        drawn += size
        if reached > ALPHA * (_ORDERS + 1):
            return None
    return reached / (_ORDERS + 1)
