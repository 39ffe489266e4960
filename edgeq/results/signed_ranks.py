"""The interval of a shift by Wilcoxon's signed ranks: it needs no more than signs that are tosses of a coin.

The estimate is the median of the means of all pairs of values, a value with itself among them (Hodges and
Lehmann, Annals of Mathematical Statistics 34, 1963); the interval's ends are two of these means (Tukey),
counted in by the exact distribution of the signed-rank sum. Equal values and zeros make it wider, never
narrower than it must be, since it is closed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

# Simulated experiments for the smallest shift that would have been seen. Fixed: same values, same answer.
_EXPERIMENTS = 1000
_SEED = 20261
# Means of pairs that are held at once.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class ShiftInterval:
    """The centre of the values, and the closed interval that holds it."""

    centre: float
    low: float
    high: float


def least_values(level: float) -> int:
    """The fewest values for which an interval of confidence `level` exists: 2 in 2**n orders of signs."""
    return int(np.ceil(np.log2(2 / (1 - level)) - 1e-9))


def bound_shift(values: Sequence[float], level: float) -> ShiftInterval:
    """The interval of the centre of `values`, of confidence `level`.

    Raises:
        ValueError: fewer than `least_values(level)` values, or values that are no numbers.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.size < least_values(level):
        raise ValueError(f"an interval of {level:.2%} needs at least {least_values(level)} values")
    if not np.isfinite(given).all():
        raise ValueError("an interval needs finite values")
    means = np.sort(_pair_means(given[None, :])[0])
    within = _count_outside(given.size, level)
    return ShiftInterval(float(np.median(means)), float(means[within]), float(means[-1 - within]))


def find_detectable(values: Sequence[float], level: float, power: float) -> float:
    """The smallest shift that a new experiment like this one would prove with a chance of `power`.

    Experiments are drawn from the values about their centre, with signs by the toss of a coin. A shift moves
    the interval as a whole: it is seen when it is larger than what the lower end lies below the truth.
    """
    given = np.asarray(values, dtype=np.float64)
    residuals = given - bound_shift(given.tolist(), level).centre
    within = _count_outside(given.size, level)
    generator = np.random.default_rng(_SEED)
    below: list[float] = []
    for rows in _in_chunks(given.size):
        drawn = generator.choice(residuals, (rows, given.size))
        drawn *= generator.choice((-1.0, 1.0), drawn.shape)
        below.extend(-np.partition(_pair_means(drawn), within, axis=1)[:, within])
    return max(0.0, float(np.quantile(below, power)))


def _in_chunks(size: int) -> Iterator[int]:
    most = max(1, _CHUNK // (size * (size + 1) // 2))
    for first in range(0, _EXPERIMENTS, most):
        yield min(most, _EXPERIMENTS - first)


def _pair_means(rows: Floats) -> Floats:
    """Means of all pairs of each row's values, each value with itself among them."""
    first, second = np.triu_indices(rows.shape[1])
    means: Floats = (rows[:, first] + rows[:, second]) / 2
    return means


@lru_cache(maxsize=64)
def _count_outside(size: int, level: float) -> int:
    """How many of the means lie below the interval: the largest k with P(sum <= k) <= (1 - level) / 2."""
    probabilities = np.zeros(size * (size + 1) // 2 + 1)
    probabilities[0] = 1.0
    for rank in range(1, size + 1):
        probabilities[rank:] += probabilities[:-rank].copy()
        probabilities /= 2
    # What rounding adds must not cost the last value of the smallest experiment.
    inside = np.cumsum(probabilities) <= (1 - level) / 2 * (1 + 1e-9)
    return int(np.count_nonzero(inside)) - 1
