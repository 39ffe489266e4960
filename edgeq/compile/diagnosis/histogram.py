"""Histograms that are filled as data come, in memory that does not grow with them."""

import math

import torch

from edgeq.results.diagnosis.spread import Histogram

_BINS = 2048
# What is kept in the end: as many bins as a small picture can show.
SHOWN = 48


class RunningHistogram:
    """Counts of values in bins of one width around zero.

    The range is a power of two on either side. A value beyond it doubles the range, and two bins become one:
    every value is counted in the right bin, whatever comes later.
    """

    def __init__(self) -> None:
        self._counts = torch.zeros(_BINS, dtype=torch.float64)
        self._reach = 0.0
        self._zeros = 0

    def add(self, values: torch.Tensor) -> None:
        """Count finite `values`."""
        largest = float(values.abs().max()) if values.numel() else 0.0
        if not largest and not self._reach:
            self._zeros += values.numel()
            return
        if not self._reach:
            self._reach = _power_above(largest)
        while largest > self._reach:
            self._double()
        self._counts += torch.histc(values.double(), _BINS, -self._reach, self._reach)

    def result(self, bins: int = SHOWN) -> Histogram:
        """The range that values were found in, in `bins` at most."""
        counts = self._counts.clone()
        counts[_BINS // 2] += self._zeros
        found = counts.nonzero().flatten().tolist()
        if not found:
            return Histogram(low=0.0, width=0.0, counts=())
        first, last = found[0], found[-1]
        together = -(-(last - first + 1) // bins)
        width = 2 * (self._reach or 1.0) / _BINS
        parts = counts[first : last + 1].split(together)
        return Histogram(
            low=(first - _BINS // 2) * width,
            width=width * together,
            counts=tuple(int(part.sum()) for part in parts),
        )

    def _double(self) -> None:
        pairs = self._counts.reshape(-1, 2).sum(1)
        self._counts = torch.zeros(_BINS, dtype=torch.float64)
        self._counts[_BINS // 4 : 3 * _BINS // 4] = pairs
        self._reach *= 2


def _power_above(value: float) -> float:
    # At the upper end, too, values belong into a bin: `histc` counts it in the last one.
    return float(2.0 ** math.ceil(math.log2(value)))
