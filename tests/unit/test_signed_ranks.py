"""Signed ranks against scipy's, against cases by hand, and against truths that are known."""

from statistics import median

import numpy as np
import pytest
from scipy.stats import wilcoxon

from edgeq.results.signed_ranks import bound_shift, find_detectable, least_values

LEVEL = 0.99


def test_an_interval_exists_once_all_signs_alike_are_rare_enough():
    # 2 / 2**7 is more than one in a hundred, 2 / 2**8 is less.
    assert least_values(0.99) == 8
    assert least_values(0.95) == 6
    with pytest.raises(ValueError, match="at least 8 values"):
        bound_shift([1.0] * 7, LEVEL)


def test_the_smallest_interval_goes_from_the_least_to_the_largest_value():
    values = [1.0, 2.0, 3.5, 4.0, 5.0, 6.0, 7.0, 20.0]
    interval = bound_shift(values, LEVEL)
    assert (interval.low, interval.high) == (1.0, 20.0)
    assert interval.centre == median((a + b) / 2 for i, a in enumerate(values) for b in values[i:])


@pytest.mark.parametrize("n", [8, 9, 12, 20, 33, 50])
@pytest.mark.parametrize("level", [0.95, 0.99, 0.9967])
def test_the_interval_leaves_zero_out_exactly_when_scipys_test_rejects_it(n, level):
    rng = np.random.default_rng(n)
    rejected = 0
    for _ in range(60):
        values = rng.standard_t(2, n) + rng.choice([0.0, 0.7, 1.5])
        if n < least_values(level):
            continue
        interval = bound_shift(values.tolist(), level)
        beyond = interval.low > 0 or interval.high < 0
        rejected += beyond
        assert beyond == (wilcoxon(values, method="exact").pvalue <= 1 - level)
    assert rejected or n < least_values(level) or n < 12


def test_zeros_and_ties_make_no_interval_too_narrow():
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(1000):
        values = rng.choice([-2.0, -1.0, 0.0, 0.0, 1.0, 2.0], 20)
        interval = bound_shift(values.tolist(), 0.95)
        wrong += interval.low > 0 or interval.high < 0
    assert wrong <= 50


def test_a_shift_moves_the_interval_and_nothing_else():
    values = np.random.default_rng(2).standard_cauchy(25)
    here, there = (bound_shift((values + shift).tolist(), LEVEL) for shift in (0.0, 5.0))
    assert (there.low, there.centre, there.high) == pytest.approx(
        (here.low + 5, here.centre + 5, here.high + 5)
    )
    flipped = bound_shift((-values).tolist(), LEVEL)
    assert (flipped.low, flipped.high) == pytest.approx((-here.high, -here.low))


def test_constant_values_are_known_exactly():
    interval = bound_shift([0.5] * 10, LEVEL)
    assert (interval.low, interval.centre, interval.high) == (0.5, 0.5, 0.5)
    assert find_detectable([0.5] * 10, LEVEL, 0.8) == 0.0


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        bound_shift([1.0] * 9 + [float("nan")], LEVEL)


def test_the_detectable_shift_is_that_of_theory_for_normal_values_and_is_seen_as_often_as_it_says():
    rng = np.random.default_rng(3)
    n = 40
    named = [find_detectable(rng.standard_normal(n).tolist(), LEVEL, 0.8) for _ in range(20)]
    # (z of 0.995 + z of 0.8) / sqrt(n), and 3 / pi for the efficiency of ranks beside means.
    theory = (2.576 + 0.842) / np.sqrt(n) * np.sqrt(np.pi / 3)
    assert np.median(named) == pytest.approx(theory, rel=0.12)
    shift = float(np.median(named))
    seen = [bound_shift((rng.standard_normal(n) + shift).tolist(), LEVEL).low > 0 for _ in range(300)]
    assert 0.7 <= np.mean(seen) <= 0.9


def test_the_same_values_always_name_the_same_detectable_shift():
    values = np.random.default_rng(4).standard_normal(15).tolist()
    assert find_detectable(values, LEVEL, 0.8) == find_detectable(values, LEVEL, 0.8)
