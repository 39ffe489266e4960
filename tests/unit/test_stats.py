import numpy as np
import pytest
from scipy import stats as peer

from edgeq.results.interval import CONFIDENCE, LEAST_VALUES, bound_median
from edgeq.results.stats import LEAST_FOR_P99, summarize


def test_one_value_is_its_own_summary():
    summary = summarize([7.0])
    assert (summary.n, summary.minimum, summary.p10, summary.median, summary.p90, summary.maximum) == (
        1, 7.0, 7.0, 7.0, 7.0, 7.0,
    )  # fmt: skip
    assert summary.spread == 0


def test_percentiles_interpolate():
    summary = summarize([float(n) for n in range(11)])
    assert (summary.p10, summary.median, summary.p90) == (1.0, 5.0, 9.0)
    assert summary.spread == 2.0


def test_order_does_not_matter():
    assert summarize([3, 1, 2]) == summarize([1, 2, 3])


def test_zeros_have_no_relative_spread():
    assert summarize([0.0, 0.0]).spread == 0


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="no values"):
        summarize([])


def test_the_median_distance_from_the_median_shrugs_at_outliers():
    assert summarize([1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]).mad == 1.0
    assert summarize([5.0, 5.0, 5.0, 1e9]).mad == 0.0
    assert summarize([7.0]).mad == 0.0


@pytest.mark.parametrize("n", [1, 2, 7, 300, 1001])
def test_statistics_are_those_of_scipy(n):
    values = np.random.default_rng(n).lognormal(size=n)
    summary = summarize(values.tolist())
    assert summary.mad == pytest.approx(peer.median_abs_deviation(values))
    for share, got in ((0.1, summary.p10), (0.5, summary.median), (0.9, summary.p90), (0.99, summary.p99)):
        if got is not None:
            # Parameters of Hyndman and Fan's type 7, which interpolates linearly.
            assert got == pytest.approx(float(peer.mstats.mquantiles(values, share, 1, 1)[0]))


def test_p99_needs_so_many_values_that_the_largest_is_mostly_beyond_it():
    assert summarize([1.0] * (LEAST_FOR_P99 - 1)).p99 is None
    assert summarize([float(n) for n in range(LEAST_FOR_P99)]).p99 == pytest.approx(0.99 * 298)
    assert 0.99**LEAST_FOR_P99 < 0.05 < 0.99 ** (LEAST_FOR_P99 - 1)


def test_the_interval_of_the_median_is_like_scipys_for_independent_values():
    values = np.random.default_rng(3).lognormal(sigma=0.2, size=400)
    got = bound_median(values.tolist())
    expected = peer.bootstrap(
        (values,), np.median, confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert got.steady
    width = expected.high - expected.low
    assert got.low == pytest.approx(expected.low, abs=0.35 * width)
    assert got.high == pytest.approx(expected.high, abs=0.35 * width)


def test_the_interval_of_the_median_is_wider_for_values_that_remember():
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(1019)
    walk = 10 + np.convolve(noise, np.ones(20) / np.sqrt(20), "valid")
    shuffled = rng.permutation(walk)
    wide, narrow = (bound_median(series.tolist()) for series in (walk, shuffled))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_interval_of_the_median_of_a_step_spans_both_levels():
    values = np.repeat([1.0, 2.0], 100) + np.random.default_rng(6).normal(0, 0.01, 200)
    interval = bound_median(values.tolist())
    assert not interval.steady
    assert interval.low < 1.0 < 2.0 < interval.high


def test_the_interval_of_a_constant_is_the_constant():
    interval = bound_median([3.0] * LEAST_VALUES)
    assert (interval.low, interval.high, interval.steady) == (3.0, 3.0, True)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * (LEAST_VALUES - 1), [float("nan")] * 60])
def test_an_interval_of_too_few_values_or_of_no_numbers_is_refused(values):
    with pytest.raises(ValueError, match="interval needs"):
        bound_median(values)
