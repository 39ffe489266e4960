"""Statistics of a series, computed when asked for and never stored; n = 1 and constant series are handled."""

from collections.abc import Sequence

import numpy as np

from edgeq.results.records import Record


class Summary(Record, frozen=True, kw_only=True):
    """Order statistics of `n` values, in their unit. Percentiles interpolate linearly (numpy's default).

    `spread` is (max - min) / median, 0 for one value.
    """

    n: int
    minimum: float
    p10: float
    median: float
    p90: float
    maximum: float
    spread: float


def summarize(values: Sequence[float]) -> Summary:
    """Summarize at least one value.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values to summarize")
    low, p10, median, p90, high = (float(q) for q in np.percentile(values, (0, 10, 50, 90, 100)))
    return Summary(
        n=len(values),
        minimum=low,
        p10=p10,
        median=median,
        p90=p90,
        maximum=high,
        spread=(high - low) / median if median else 0.0,
    )
