import pytest

from edgeq.results.stats import summarize


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
