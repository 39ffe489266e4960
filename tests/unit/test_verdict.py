"""The verdict on one quantity, on pairs whose truth is known: counts exactly, times by an interval."""

import gate
import numpy as np
import pytest

from edgeq.errors import InputError
from edgeq.results.interval import LEAST_VALUES, bound_ratio, memory
from edgeq.results.limits import GATES, Limit, parse_limits
from edgeq.results.records import Missing
from edgeq.results.verdict import Measured, judge

FIVE = Limit(relative=0.05)


def count(*values, unit="insn"):
    return Measured(values=values, unit=unit, exact=True)


def wall(values):
    return Measured(values=tuple(float(value) for value in values), unit="s", exact=False)


def noisy(seed, level=1.0, n=200):
    return wall(level * (1 + 0.01 * np.random.default_rng(seed).standard_normal(n)))


@pytest.mark.parametrize(
    ("base", "new", "limit", "change", "outcome"),
    [
        (100_000, 100_000, FIVE, "same", "passed"),
        (100_000, 100_060, FIVE, "same", "passed"),
        (100_000, 103_000, FIVE, "worse", "passed"),
        (100_000, 105_000, FIVE, "worse", "passed"),
        (100_000, 105_001, FIVE, "worse", "regressed"),
        (100_000, 50_000, FIVE, "better", "passed"),
        (100_000, 150_000, None, "worse", "not judged"),
        (100_000, 100_060, Limit(absolute=0.0), "same", "passed"),
        (100_000, 100_200, Limit(absolute=0.0), "worse", "regressed"),
        (100_000, 100_400, Limit(absolute=500.0), "worse", "passed"),
        (0, 0, FIVE, "same", "passed"),
        (0, 1, FIVE, "worse", "regressed"),
        (0, 1, Limit(absolute=1.0), "worse", "passed"),
        (1, 0, FIVE, "better", "passed"),
    ],
)
def test_counts_are_compared_exactly(base, new, limit, change, outcome):
    verdict = judge(count(base), count(new), limit, repeats=0.001)
    assert (verdict.change, verdict.outcome) == (change, outcome)
    assert verdict.ratio == (None if base == 0 else new / base)
    assert verdict.low is None


def test_a_byte_is_a_byte_when_nothing_is_said_about_repeating():
    assert judge(count(100_000, unit="B"), count(100_001, unit="B"), FIVE).change == "worse"


@pytest.mark.parametrize(
    ("base", "new", "outcome"),
    [(0.98, 0.97, "passed"), (0.98, 0.9699, "regressed"), (0.98, 0.99, "passed"), (0.0, 0.0, "passed")],
)
def test_a_score_may_fall_by_its_points_and_no_more(base, new, outcome):
    limit = Limit(absolute=0.01)
    assert judge(count(base, unit="1"), count(new, unit="1"), limit, "higher").outcome == outcome


def test_a_score_that_is_no_number_any_more_is_a_regression():
    nan = float("nan")
    limit = Limit(absolute=0.01)
    assert judge(count(0.9, unit="1"), count(nan, unit="1"), limit, "higher").outcome == "regressed"
    assert judge(count(nan, unit="1"), count(0.9, unit="1"), limit, "higher").outcome == "undecided"


def test_a_true_slowdown_beyond_the_limit_is_proven():
    verdict = judge(noisy(1), noisy(2, 1.1), FIVE)
    assert (verdict.change, verdict.outcome) == ("worse", "regressed")
    assert 1.05 < verdict.low < 1.1 < verdict.high < 1.12


def test_a_true_slowdown_within_the_limit_is_seen_and_passes():
    verdict = judge(noisy(1), noisy(2, 1.02), FIVE)
    assert (verdict.change, verdict.outcome) == ("worse", "passed")


def test_a_true_speedup_is_seen():
    assert judge(noisy(1), noisy(2, 0.9), FIVE).change == "better"


def test_the_same_level_is_the_same():
    verdict = judge(noisy(1), noisy(2), FIVE)
    assert (verdict.change, verdict.outcome) == ("same", "passed")
    assert verdict.low < 1 < verdict.high


def test_a_slowdown_that_may_or_may_not_be_beyond_the_limit_is_undecided():
    verdict = judge(noisy(1, n=60), noisy(2, 1.05, n=60), FIVE)
    assert (verdict.change, verdict.outcome) == ("worse", "undecided")


def test_noise_that_hides_the_limit_cannot_tell():
    rng = np.random.default_rng(3)
    base, new = (wall(np.exp(0.5 * rng.standard_normal(60))) for _ in range(2))
    verdict = judge(base, new, FIVE)
    assert (verdict.change, verdict.outcome) == ("cannot tell", "undecided")


@pytest.mark.parametrize("fewest", [1, 2, LEAST_VALUES - 1])
def test_few_values_cannot_tell_however_far_apart(fewest):
    verdict = judge(wall([1.0] * fewest), wall([2.0] * 100), FIVE)
    assert (verdict.change, verdict.outcome, verdict.ratio) == ("cannot tell", "undecided", 2.0)
    assert f"{fewest} value" in verdict.reason


@pytest.mark.parametrize(("level", "change"), [(1.0, "same"), (1.001, "worse"), (0.999, "better")])
def test_constant_series_are_what_they_are(level, change):
    verdict = judge(wall([1.0] * 50), wall([level] * 50), FIVE)
    assert (verdict.change, verdict.outcome) == (change, "passed")
    assert verdict.low == verdict.high == level


def test_one_tick_of_a_coarse_clock_proves_nothing():
    rng = np.random.default_rng(4)
    base = wall(rng.choice([0.010, 0.011], 100, p=[0.9, 0.1]))
    new = wall(rng.choice([0.010, 0.011], 100, p=[0.1, 0.9]))
    verdict = judge(base, new, FIVE)
    assert (verdict.change, verdict.outcome) == ("cannot tell", "undecided")


@pytest.mark.parametrize("zero", ["base", "new"])
def test_a_zero_on_a_wall_clock_cannot_be_compared(zero):
    sides = {"base": [1.0] * 50, "new": [1.0] * 50} | {zero: [0.0] * 50}
    verdict = judge(wall(sides["base"]), wall(sides["new"]), FIVE)
    assert (verdict.change, verdict.outcome) == ("cannot tell", "undecided")


def test_a_board_that_slows_down_while_it_is_measured_is_unsteady_and_wide():
    steps = np.repeat([1.0, 1.2], 100)
    interval = bound_ratio(list(steps), list(noisy(5).values))
    assert not interval.steady
    assert interval.low < 1 / 1.2 < 1.0 < interval.high
    verdict = judge(wall(steps), noisy(5), FIVE)
    assert verdict.outcome == "passed" or verdict.change == "cannot tell"
    assert "drifts or steps" in verdict.reason


def test_a_slowdown_larger_than_the_steps_is_proven_all_the_same():
    steps = np.repeat([1.0, 1.05], 100)
    assert judge(wall(steps), wall(1.5 * steps), FIVE).outcome == "regressed"


def test_the_same_series_always_give_the_same_interval():
    assert judge(noisy(1), noisy(2), FIVE) == judge(noisy(1), noisy(2), FIVE)


def test_memory_of_independent_values_is_one_and_grows_with_correlation():
    rng = np.random.default_rng(6)
    independent = rng.standard_normal(1000)
    assert memory(independent) < 2
    assert memory(np.convolve(independent, np.ones(20), "valid")) > 8
    assert memory(np.ones(100)) == 1.0
    outliers = independent + 1000 * (rng.random(1000) < 0.01)
    assert memory(outliers) < 2


@pytest.mark.parametrize("process", gate.PROCESSES, ids=lambda process: process.__name__)
def test_two_runs_of_one_process_are_seldom_called_different(process):
    shares = gate.count_changes(process, 100, 1.0, 20, seed=7)
    assert shares.get("worse", 0.0) <= 0.05
    assert shares.get("better", 0.0) <= 0.05
    assert shares.get("regressed", 0.0) == 0.0


@pytest.mark.parametrize("process", gate.PROCESSES, ids=lambda process: process.__name__)
def test_half_as_slow_again_is_found_in_every_process(process):
    assert gate.count_changes(process, 200, 1.5, 10, seed=8).get("regressed", 0.0) >= 0.9


def test_missing_values_are_stated_and_prove_nothing():
    missing = Missing(missing="hidden by the kernel")
    gone = judge(count(1, unit="B"), missing, FIVE)
    assert (gone.change, gone.outcome) == ("not measured", "undecided")
    assert "hidden by the kernel" in gone.reason
    assert judge(count(1, unit="B"), missing, None).outcome == "not judged"
    came = judge(missing, count(1, unit="B"), FIVE)
    assert (came.change, came.outcome) == ("not measured", "not judged")


def test_counts_and_times_are_never_compared():
    with pytest.raises(ValueError, match="insn"):
        judge(count(1), wall([1.0] * 50), FIVE)


def test_limits_have_defaults_and_a_plain_one_leaves_scores_alone():
    plain = parse_limits(["7%"])
    assert plain.find("latency", exact=False) == Limit(relative=0.07)
    assert plain.find("latency", exact=True) == Limit(relative=0.07)
    assert plain.find("accuracy.top1", exact=True) == GATES["accuracy"].exact
    assert plain.find("delegation", exact=True) == Limit(absolute=0.0)
    assert plain.find("load", exact=True) is None
    none = parse_limits([])
    assert none.find("latency", exact=True) == Limit(relative=0.01)
    assert none.find("latency", exact=False) == Limit(relative=0.05)


def test_each_quantity_has_its_own_limit_and_the_last_word_counts():
    limits = parse_limits(
        ["5%,latency=2%", "memory=10%,rss_peak=20%,accuracy=0.5pt,accuracy.top5=2pt", "size=off,load=4096"]
    )
    assert limits.find("latency", exact=True) == Limit(relative=0.02)
    assert limits.find("arena", exact=True) == Limit(relative=0.1)
    assert limits.find("rss_peak", exact=True) == Limit(relative=0.2)
    assert limits.find("accuracy.top1", exact=True) == Limit(absolute=0.005)
    assert limits.find("accuracy.top5", exact=True) == Limit(absolute=0.02)
    assert limits.find("size", exact=True) is None
    assert limits.find("load", exact=True) == Limit(absolute=4096.0)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("5", "share"),
        ("off", "no limit"),
        ("smell=5%", "'smell'"),
        ("latency=fast", "'fast'"),
        ("latency=-5%", "'-5%'"),
        ("latency=1pt", "points"),
        ("accuracy.=1pt", "'accuracy.'"),
        ("", "no limit"),
        ("latency=", "no limit"),
        ("latency=nan%", "no limit"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(text, word):
    with pytest.raises(InputError) as caught:
        parse_limits([text])
    assert word in f"{caught.value.message} {caught.value.hint}"
