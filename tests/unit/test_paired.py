"""The paired verdict on rounds whose truth is known, and on stored runs."""

import msgspec
import numpy as np
import pytest
import verdict as simulations
from msgspec.structs import replace
from odd_runs import on_hardware
from runs import make_run

from edgeq.results.compare import compare_runs
from edgeq.results.interval import CONFIDENCE
from edgeq.results.limits import Limit, parse_limits
from edgeq.results.paired import (
    LEAST_ROUNDS,
    LEVEL,
    LOOKS,
    are_paired,
    compare_paired,
    is_settled,
    judge_against,
    judge_rounds,
    plan_looks,
    split_rounds,
)
from edgeq.results.records import Pairing, Run

FIVE = Limit(relative=0.05)


def rounds_of(level, seed, count=20, noise=0.01, inferences=5):
    rng = np.random.default_rng(seed)
    return (level * (1 + noise * rng.standard_normal((count, inferences)))).tolist()


def paired_run(rounds, place, recipe="fp32", pairing="p", name="digits", **changes):
    run = on_hardware(make_run(recipe, name=name), values=tuple(value for each in rounds for value in each))
    starts = np.cumsum([0, *map(len, rounds[:-1])]).tolist()
    return replace(run, pairing=Pairing(id=pairing, seed=7, place=place, rounds=tuple(starts)), **changes)


def test_the_looks_share_the_error_that_the_house_allows():
    assert pytest.approx(1 - CONFIDENCE) == LOOKS * (1 - LEVEL)
    assert len(plan_looks(1000)) == LOOKS
    assert plan_looks(40) == (10, 20, 40)
    assert plan_looks(12) == (10, 12)
    assert plan_looks(10) == (10,)
    assert plan_looks(3) == (3,)


@pytest.mark.parametrize(
    ("factor", "answer"), [(1.05, "slower"), (0.9, "faster"), (1.0, "no difference seen")]
)
def test_a_known_factor_is_found_and_inside_its_interval(factor, answer):
    verdict = judge_rounds(rounds_of(0.004, 1), rounds_of(0.004 * factor, 2), "s", seed=9)
    assert verdict.answer == answer
    assert verdict.low < factor < verdict.high
    assert verdict.low < verdict.ratio < verdict.high
    assert (verdict.rounds, verdict.inferences, verdict.seed) == (20, (100, 100), 9)
    assert 0 < verdict.detectable < 0.02


def test_few_rounds_cannot_tell_however_far_apart():
    verdict = judge_rounds(rounds_of(1.0, 1, LEAST_ROUNDS - 1), rounds_of(2.0, 2, LEAST_ROUNDS - 1), "s")
    assert verdict.answer == "cannot tell"
    assert (verdict.low, verdict.high, verdict.detectable) == (None, None, None)
    assert verdict.ratio == pytest.approx(2.0, rel=0.02)
    assert "9 rounds cannot tell; it takes 10" in verdict.reason


def test_a_round_that_one_of_them_did_not_finish_is_left_out():
    base, new = rounds_of(1.0, 1, 15), rounds_of(1.0, 2, 14)
    assert judge_rounds(base, new, "s") == judge_rounds(base[:14], new, "s")


def test_drift_that_both_share_hides_nothing():
    mood = np.exp(np.linspace(0, 1, 20))[:, None]
    base = (np.array(rounds_of(1.0, 1)) * mood).tolist()
    new = (np.array(rounds_of(1.02, 2)) * mood).tolist()
    assert judge_rounds(base, new, "s").answer == "slower"


def test_a_difference_of_a_tick_of_the_clock_is_none():
    base = [[0.010, 0.010, 0.011]] * 20
    new = [[0.010, 0.011, 0.011]] * 20
    verdict = judge_rounds(base, new, "s")
    assert verdict.answer == "no difference seen"
    assert verdict.detectable >= 0.1


def test_constant_rounds_are_known_exactly():
    verdict = judge_rounds([[1.0]] * 12, [[1.5]] * 12, "s")
    assert (verdict.answer, verdict.low, verdict.high) == ("slower", pytest.approx(1.5), pytest.approx(1.5))
    assert judge_rounds([[1.0]] * 12, [[1.0]] * 12, "s").answer == "no difference seen"


@pytest.mark.parametrize(
    ("base", "new"),
    [([], []), ([[1.0]], []), ([[]], [[1.0]]), ([[0.0]], [[1.0]]), ([[1.0]], [[float("nan")]])],
    ids=["none", "one side", "empty round", "zero", "nan"],
)
def test_what_is_no_latency_is_refused(base, new):
    with pytest.raises(ValueError, match=r"round|above zero"):
        judge_rounds(base, new, "s")


@pytest.mark.parametrize(
    ("new", "answer"),
    [
        (100_000, "no difference seen"),
        (100_090, "no difference seen"),
        (100_200, "slower"),
        (50_000, "faster"),
    ],
)
def test_counts_are_compared_as_far_as_they_repeat(new, answer):
    verdict = judge_rounds([[100_000.0, 100_000.0]] * 3, [[float(new)] * 2] * 3, "insn")
    assert verdict.answer == answer
    assert verdict.exact
    assert verdict.ratio == new / 100_000
    assert verdict.detectable == 0.001


def test_counts_that_do_not_repeat_prove_less_and_say_so():
    base, new = [[100_000.0], [101_000.0], [100_000.0]], [[100_500.0]] * 3
    verdict = judge_rounds(base, new, "insn")
    assert verdict.answer == "no difference seen"
    assert verdict.detectable == pytest.approx(0.01)
    assert "from round to round" in verdict.reason


def test_an_answer_is_settled_when_it_is_clear_and_narrow_or_when_there_is_nothing():
    assert is_settled(rounds_of(1.0, 1), rounds_of(1.1, 2))
    assert not is_settled(rounds_of(1.0, 1, noise=0.2), rounds_of(1.0, 2, noise=0.2))
    assert is_settled(rounds_of(1.0, 1, noise=0.001), rounds_of(1.0, 2, noise=0.001))
    assert not is_settled(rounds_of(1.0, 1, noise=0.2), rounds_of(3.0, 2, noise=0.2))


def test_the_verdict_is_made_again_from_stored_runs():
    base, new = rounds_of(1.0, 1), rounds_of(1.1, 2)
    runs = [paired_run(base, 0), paired_run(new, 1, "int8")]
    kept = [msgspec.json.decode(msgspec.json.encode(run), type=Run) for run in runs]
    assert split_rounds(kept[0]) == [tuple(each) for each in base]
    assert compare_paired(*kept) == judge_rounds(base, new, "s", seed=7)


def test_runs_of_two_pairings_are_not_paired():
    one, other = paired_run(rounds_of(1.0, 1), 0), paired_run(rounds_of(1.0, 2), 1, pairing="q")
    assert not are_paired(one, other)
    assert not are_paired(make_run(), make_run())
    with pytest.raises(ValueError, match="one pairing"):
        compare_paired(one, other)


def test_compare_uses_the_rounds_where_unpaired_series_could_not_tell():
    mood = np.exp(np.random.default_rng(3).normal(0, 0.3, 20))[:, None]
    sides = [(np.array(rounds_of(level, n)) * mood).tolist() for n, level in ((1, 1.0), (2, 1.1))]
    runs = [paired_run(sides[0], 0), paired_run(sides[1], 1)]
    (pair,) = compare_runs(runs[:1], runs[1:], limits=parse_limits(["5%"])).pairs
    latency = next(each for each in pair.findings if each.quantity == "latency")
    assert (latency.verdict.change, latency.verdict.outcome) == ("worse", "regressed")
    assert "20 rounds" in latency.verdict.reason
    alone = [replace(run, pairing=None) for run in runs]
    (pair,) = compare_runs(alone[:1], alone[1:], limits=parse_limits(["5%"])).pairs
    latency = next(each for each in pair.findings if each.quantity == "latency")
    assert latency.verdict.outcome == "undecided"


def test_compare_matches_two_recipes_of_one_pairing_and_no_others():
    base, new = paired_run(rounds_of(1.0, 1), 0), paired_run(rounds_of(0.5, 2), 1, "int8")
    comparison = compare_runs([base], [new])
    assert [str(pair.key) for pair in comparison.pairs] == ["digits.fp32 -> digits.int8 on raspberry-pi-5"]
    third = paired_run(rounds_of(0.5, 3), 2, "int8-dynamic")
    with pytest.raises(ValueError, match="not enough values"):
        (_,) = compare_runs([base, make_run("x")], [new, third, make_run("x")]).pairs[1:]


@pytest.mark.parametrize("rounds", [(5, 3), (0, 99, 200), (-4, 9), ()])
def test_a_run_with_damaged_rounds_is_compared_as_if_it_had_none(rounds):
    base, new = paired_run(rounds_of(1.0, 1), 0), paired_run(rounds_of(1.1, 2), 1)
    damaged = replace(new, pairing=replace(new.pairing, rounds=rounds))
    (pair,) = compare_runs([base], [damaged]).pairs
    latency = next(each for each in pair.findings if each.quantity == "latency")
    assert "round" not in latency.verdict.reason or latency.verdict.change == "cannot tell"


@pytest.mark.parametrize(
    ("level", "limit", "outcome"),
    [(1.1, FIVE, "regressed"), (1.02, FIVE, "passed"), (1.05, FIVE, "undecided"), (1.1, None, "not judged")],
)
def test_a_gate_asks_whether_the_interval_is_beyond_its_limit(level, limit, outcome):
    verdict = judge_rounds(rounds_of(1.0, 1), rounds_of(level, 2), "s")
    assert judge_against(verdict, limit, 1.0).outcome == outcome


def test_a_gate_cannot_tell_from_too_few_rounds():
    verdict = judge_rounds(rounds_of(1.0, 1, 3), rounds_of(2.0, 2, 3), "s")
    assert judge_against(verdict, FIVE, 1.0).outcome == "undecided"


@pytest.mark.parametrize("process", simulations.MOODS, ids=lambda process: process.__name__)
def test_an_artifact_is_seldom_called_faster_or_slower_than_itself(process):
    shares = simulations.count_answers(process, 1.0, 100, seed=11)
    assert shares["faster"] <= 0.03
    assert shares["slower"] <= 0.03


@pytest.mark.parametrize("process", simulations.MOODS, ids=lambda process: process.__name__)
def test_a_factor_of_two_is_found_in_every_process(process):
    shares = simulations.count_answers(process, 2.0, 10, seed=12)
    assert shares["slower"] >= 0.9
    assert shares["faster"] == 0


def test_the_smallest_difference_is_seen_about_as_often_as_it_says():
    smallest, seen = simulations.check_detectable(simulations.own_levels, 150, 40, seed=13)
    assert 0.01 < smallest < 0.05
    assert 0.65 <= seen <= 0.95
