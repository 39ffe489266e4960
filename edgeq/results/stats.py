"""Statistics of a series, computed when asked for and never stored; n = 1 and constant series are handled."""

from collections.abc import Sequence

import numpy as np

from edgeq.results.records import Record

# 0.99 ** 299 < 0.05: with fewer values, the largest lies below the true p99 more often than once in twenty.
LEAST_FOR_P99 = 299


class Summary(Record, frozen=True, kw_only=True):
    """Order statistics of `n` values, in their unit. Percentiles interpolate linearly (numpy's default).

    `spread` is (max - min) / median, 0 for one value. `mad` is the median distance from the median, as it is:
    not scaled to a standard deviation. `p99` is None for fewer than `LEAST_FOR_P99` values.
    """

    n: int
    minimum: float
    p10: float
    median: float
    p90: float
    p99: float | None
    maximum: float
    spread: float
    mad: float


def summarize(values: Sequence[float]) -> Summary:
    """Summarize at least one value.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values to summarize")
    low, p10, median, p90, p99, high = (float(q) for q in np.percentile(values, (0, 10, 50, 90, 99, 100)))
    return Summary(
        n=len(values),
        minimum=low,
        p10=p10,
        median=median,
        p90=p90,
        p99=p99 if len(values) >= LEAST_FOR_P99 else None,
        maximum=high,
        spread=(high - low) / median if median else 0.0,
        mad=float(np.median(np.abs(np.asarray(values) - median))),
    )
