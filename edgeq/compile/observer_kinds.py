"""The observers that a recipe can name, as data; `compile/quantization/observers.py` makes them."""

from typing import Annotated

import msgspec

from edgeq.results.records import Record

# A histogram needs some bins for each of the 256 codes, and the search over it costs time with their number.
Bins = Annotated[int, msgspec.Meta(ge=256, le=65_536)]


class Observer(Record, tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How the range of an activation is chosen from what the calibration set shows of it."""


class MinMax(Observer, tag="min-max", frozen=True, kw_only=True):
    """The extremes: nothing is clipped, one outlier decides."""


class MovingAverage(Observer, tag="moving-average", frozen=True, kw_only=True):
    """Exponential moving average of each sample's extremes.

    Attributes:
        constant: weight of a new sample; what came before keeps `1 - constant`.
    """

    constant: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01


class Percentile(Observer, tag="percentile", frozen=True, kw_only=True):
    """The range that holds `percentile` % of the values; half of the rest is clipped on either side."""

    percentile: Annotated[float, msgspec.Meta(gt=50, le=100)] = 99.99
    bins: Bins = 2048


class Histogram(Observer, tag="histogram", frozen=True, kw_only=True):
    """PyTorch's own: quantiles are cut off step by step for as long as a bound of the squared error falls."""

    bins: Bins = 2048


class MeanSquare(Observer, tag="mse", frozen=True, kw_only=True):
    """The range with the least squared error of rounding and clipping, of a grid of ranges."""

    bins: Bins = 2048


AnyObserver = MinMax | MovingAverage | Percentile | Histogram | MeanSquare
OBSERVERS: dict[str, type[AnyObserver]] = {
    "histogram": Histogram,
    "min-max": MinMax,
    "moving-average": MovingAverage,
    "percentile": Percentile,
    "mse": MeanSquare,
}
