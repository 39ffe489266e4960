"""How the values of weights and activations are spread: histograms, clipped values, outlier channels."""

from collections.abc import Sequence

from edgeq.results.records import Record

# A channel is an outlier when its largest magnitude is more than so many times the median of the channels.
OUTLIER_RATIO = 8.0
# Of fewer channels a median says nothing.
LEAST_CHANNELS = 3


class Histogram(Record, frozen=True, kw_only=True):
    """Counts in bins of `width`, the first of which begins at `low`; without counts there were no values."""

    low: float
    width: float
    counts: tuple[int, ...]


class OutlierChannel(Record, frozen=True, kw_only=True):
    """A channel far from the others: its number, its largest magnitude, and its ratio to their median."""

    channel: int
    largest: float
    ratio: float


class ActivationSpread(Record, frozen=True, kw_only=True):
    """One activation of the FP32 model on the inputs of the trials, beside the range that INT8 has for it.

    What is None has no meaning for a range that is taken at each inference.

    Attributes:
        module: the user's module that gives it, or `input NAME`; `operator` within it, empty for an input.
        selectors: those of an override that reaches what makes it; empty where none does.
        observer: how the range was chosen, or `dynamic`.
        low, high: extremes of the values.
        scale, zero_point: `real = scale * (q - zero_point)`, q from -128 to 127.
        clipped: share of the values beyond the range.
        unused: share of the 256 codes that no value has; None when there are too few values to tell.
        bulk: share of the 256 codes that lie between the least and greatest of 99.9 % of the values, when
            half of the rest is left away at either end.
        channels: how many it has; `outliers` are those far from the others.
    """

    module: str
    operator: str
    selectors: dict[str, str]
    observer: str
    low: float
    high: float
    scale: float | None
    zero_point: int | None
    clipped: float | None
    unused: float | None
    bulk: float | None
    channels: int
    outliers: tuple[OutlierChannel, ...]
    histogram: Histogram


class WeightSpread(Record, frozen=True, kw_only=True):
    """The weight of one layer, as it is quantized: batch norm folded in.

    Attributes:
        per_channel: whether each output channel has a scale of its own.
        is_depthwise: whether each channel is computed from one channel alone.
        unused: share of the 255 codes that no weight has; None when there are too few weights to tell.
        outputs, inputs: numbers of channels; a depthwise layer has one input channel for each output.
        output_outliers, input_outliers: channels far from the others.
    """

    module: str
    kind: str
    per_channel: bool
    is_depthwise: bool
    low: float
    high: float
    unused: float | None
    outputs: int
    inputs: int
    output_outliers: tuple[OutlierChannel, ...]
    input_outliers: tuple[OutlierChannel, ...]
    histogram: Histogram


def find_outliers(largest: Sequence[float]) -> tuple[OutlierChannel, ...]:
    """The channels whose largest magnitude is far above the median of all, the farthest first.

    Channels that are all zero do not count for the median: a pruned network has many.
    """
    used = sorted(value for value in largest if value > 0)
    if len(used) < LEAST_CHANNELS:
        return ()
    middle = len(used) // 2
    median = used[middle] if len(used) % 2 else (used[middle - 1] + used[middle]) / 2
    found = [
        OutlierChannel(channel=index, largest=value, ratio=value / median)
        for index, value in enumerate(largest)
        if value > OUTLIER_RATIO * median
    ]
    return tuple(sorted(found, key=lambda each: -each.ratio))
