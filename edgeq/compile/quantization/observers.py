"""The observers that a recipe can name, as PT2E takes them.

Each sees a tensor sample by sample, in constant memory, and gives its scale and zero point at the end:
`real = scale * (q - zero_point)` with q from -128 to 127. Ranges always hold 0, as the zero padding of
convolutions must be exact.
"""

from typing import Any

import torch
from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver, MovingAverageMinMaxObserver

from edgeq.compile.recipe import AnyObserver, Histogram, MeanSquare, MinMax, MovingAverage, Percentile

# The least scale, as XNNPACK's own configuration has it.
EPSILON = 2**-12

# The ends of the range that are tried: from a fifth of the way to the extreme up to the extreme itself.
_SHARES = 41
_LEAST_SHARE = 0.2


def observer_class(spec: AnyObserver) -> Any:  # noqa: ANN401 - a torchao factory, untyped
    """A factory of observers as `spec` says, for a `QuantizationSpec`."""
    if isinstance(spec, MinMax):
        return MinMaxObserver.with_args(eps=EPSILON)
    if isinstance(spec, MovingAverage):
        return MovingAverageMinMaxObserver.with_args(eps=EPSILON, averaging_constant=spec.constant)
    if isinstance(spec, Percentile):
        return PercentileObserver.with_args(eps=EPSILON, bins=spec.bins, percentile=spec.percentile)
    if isinstance(spec, MeanSquare):
        return MeanSquareObserver.with_args(eps=EPSILON, bins=spec.bins)
    assert isinstance(spec, Histogram)  # noqa: S101 - for mypy
    return HistogramObserver.with_args(eps=EPSILON, bins=spec.bins)


def kind_of(observer: object) -> str:
    """The name that recipes call an observer by."""
    kinds = {
        HistogramObserver: "histogram",
        MinMaxObserver: "min-max",
        MovingAverageMinMaxObserver: "moving-average",
        PercentileObserver: "percentile",
        MeanSquareObserver: "mse",
    }
    return kinds[type(observer)]


class PercentileObserver(HistogramObserver):
    """The range that holds `percentile` % of the values, half of the rest beyond either end."""

    def __init__(self, *, percentile: float, **arguments: Any) -> None:  # noqa: ANN401 - torchao's own
        super().__init__(**arguments)
        self.percentile = percentile

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and zero point, each of shape (1,)."""
        outside = (1 - self.percentile / 100) / 2
        cumulated = torch.cumsum(self.histogram.double(), 0)
        low, high = (self._quantile(cumulated, share) for share in (outside, 1 - outside))
        return self._calculate_qparams(low, high)  # type: ignore[no-any-return]

    def _quantile(self, cumulated: torch.Tensor, share: float) -> torch.Tensor:
        """The value below which `share` of all values lie, linear within a bin."""
        wanted = cumulated[-1] * share
        index = int(torch.searchsorted(cumulated, wanted).clamp(max=self.bins - 1))
        before = float(cumulated[index - 1]) if index else 0.0
        inside = float(cumulated[index]) - before
        position = index + ((float(wanted) - before) / inside if inside else 0.0)
        return self.min_val + (self.max_val - self.min_val) * (position / self.bins)


class MeanSquareObserver(HistogramObserver):
    """The range, of a grid of ranges, with the least squared error of quantizing the histogram's values."""

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and zero point, each of shape (1,)."""
        low, high = float(self.min_val.clamp(max=0)), float(self.max_val.clamp(min=0))
        width = (self.max_val - self.min_val).double() / self.bins
        values = self.min_val.double() + width * (torch.arange(self.bins, dtype=torch.float64) + 0.5)
        shares = torch.linspace(1.0, _LEAST_SHARE, _SHARES, dtype=torch.float64)
        highs = (shares * high if high > 0 else torch.zeros(1, dtype=torch.float64))[:, None]
        best = (float("inf"), low, high)
        for start in (shares * low).tolist() if low < 0 else [0.0]:
            errors = self._errors(values, start, highs)
            least = int(errors.argmin())
            best = min(best, (float(errors[least]), start, float(highs[least])), key=lambda each: each[0])
        return self._calculate_qparams(torch.tensor(best[1]), torch.tensor(best[2]))  # type: ignore[no-any-return]

    def _errors(self, values: torch.Tensor, low: float, highs: torch.Tensor) -> torch.Tensor:
        """Squared error of all values for the ranges from `low` to each of `highs` (N, 1): shape (N,)."""
        steps = self.quant_max - self.quant_min
        scale = ((highs - low) / steps).clamp(min=EPSILON)
        zero = (-low / scale).round().clamp(0, steps)
        codes = (values / scale).round().add(zero).clamp(0, steps)
        return (((codes - zero) * scale - values).square() * self.histogram.double()).sum(1)
