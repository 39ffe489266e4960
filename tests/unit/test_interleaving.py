"""Rounds on a device that exists in numbers only: order, looks, bounds, and what is kept when one breaks."""

from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace

from edgeq.errors import RunnerError
from edgeq.measure.paired import Contestant, Interleaving, Plan, default_round, draw_plan
from edgeq.results.paired import LEAST_ROUNDS, split_rounds
from edgeq.results.sweep import Setting, recommend
from edgeq.runner.job import Job, Result, Times


class Device:
    """Takes a known time for each program, with noise; keeps the order; breaks when it is told to."""

    def __init__(self, noise=0.01, breaks_at=None, **levels):
        self.levels, self.noise, self.breaks_at = levels, noise, breaks_at
        self.order = []
        self.random = np.random.default_rng(5)

    def run(self, job):
        self.order.append(job.program)
        if len(self.order) == self.breaks_at:
            raise RunnerError("the runner was ended by SIGKILL")
        level = 1e6 * self.levels[job.program]
        measured = level * (1 + self.noise * self.random.standard_normal(4 + len(self.order) % 3))
        times = Times(
            load=10,
            init=20,
            first=30,
            warmup=(40, 41),
            measured=tuple(map(int, measured)),
            starts=tuple(len(self.order) * 1000 + n for n in range(measured.size)),
        )
        return Result(schema=1, kind="latency", status="ok", executorch="1.5.1", times=times)


def interleave(device, plan, clock="wall", **options):
    contestants = [
        Contestant(device, Job(kind="latency", program=name, inputs="i")) for name in device.levels
    ]
    rounds = Interleaving(plan, clock, "the-id")
    try:
        rounds.run(contestants, **options)
    except RunnerError as error:
        return rounds, error
    return rounds, None


def test_every_round_runs_each_artifact_once_in_an_order_that_the_seed_makes():
    orders = []
    for seed in (1, 1, 2):
        device = Device(a=1.0, b=1.0, c=1.0, noise=0.5)
        interleave(device, Plan(seed=seed, rounds=9))
        orders.append([tuple(device.order[n : n + 3]) for n in range(0, 27, 3)])
    assert all(sorted(each) == ["a", "b", "c"] for each in orders[0])
    assert orders[0] == orders[1] != orders[2]


def test_every_order_comes_as_often_as_any_other():
    device = Device(a=1.0, b=1.0, noise=0.5)
    interleave(device, Plan(seed=3, rounds=300))
    first = Counter(device.order[::2])
    assert abs(first["a"] - 150) < 40


def test_a_clear_answer_ends_the_rounds_at_the_first_look():
    device = Device(a=1.0, b=2.0)
    rounds, _ = interleave(device, Plan(seed=1))
    assert len(rounds.results(0)) == len(rounds.results(1)) == LEAST_ROUNDS
    assert "clear after 10 rounds" in rounds.ended_by


def test_an_unclear_answer_takes_all_rounds():
    rounds, _ = interleave(Device(a=1.0, b=1.0, noise=0.3), Plan(seed=1))
    assert len(rounds.results(0)) == 40
    assert "all 40" in rounds.ended_by


def test_one_clear_answer_of_two_does_not_end_the_rounds():
    rounds, _ = interleave(Device(a=1.0, b=2.0, c=1.0, noise=0.3), Plan(seed=1))
    assert len(rounds.results(2)) == 40


def sweep(levels, **plan):
    """Rounds of settings with 1, 2, 4, ... threads, which take `levels` milliseconds, and their runs."""
    from odd_runs import on_hardware
    from runs import SPEC, make_run

    names = {f"t{1 << place}": level for place, level in enumerate(levels)}
    rounds, _ = interleave(Device(noise=0.003, **names), Plan(seed=1, sweep=True, **plan))
    runs = [
        replace(
            on_hardware(make_run()),
            spec=replace(SPEC, threads=1 << place),
            series=rounds.series(place),
            pairing=rounds.pairing(place),
        )
        for place in range(len(levels))
    ]
    return rounds, runs


@pytest.mark.parametrize(
    ("levels", "ended"), [((30, 16), 10), ((30, 16, 9), 11), ((30, 16, 9, 12), 12), ((9, 8, 7, 6, 5, 4), 14)]
)
def test_a_sweep_ends_early_as_soon_as_its_answer_has_an_interval(levels, ended):
    rounds, runs = sweep(levels, rounds=20)
    assert f"clear after {ended} rounds" in rounds.ended_by
    found = recommend(runs)
    assert found.setting == Setting(threads=1 << levels.index(min(levels)))
    assert found.sure


def test_a_sweep_goes_on_while_the_fastest_setting_is_not_clear():
    rounds, _ = sweep((30, 9.02, 9), rounds=20)
    assert "all 20" in rounds.ended_by


def test_no_round_begins_when_the_time_is_over():
    clock = iter(range(0, 1000, 10))
    rounds, _ = interleave(Device(a=1.0, b=2.0), Plan(seed=1, seconds=25), now=lambda: float(next(clock)))
    assert len(rounds.results(0)) == 3
    assert "time was over after 3" in rounds.ended_by


def test_counts_need_few_rounds_and_no_looks():
    rounds, _ = interleave(Device(a=1.0, b=2.0, noise=0), Plan(seed=1), "instructions")
    assert len(rounds.results(0)) == 3
    assert rounds.series(0)[-1].unit == "insn"


def test_progress_says_nothing_of_the_results():
    said = []
    interleave(Device(a=1.0, b=2.0), Plan(seed=1, rounds=10), announce=said.append)
    assert said == [f"round {n} of at most 10" for n in range(1, 11)]


def test_the_series_hold_all_rounds_in_order_and_the_pairing_says_where_each_begins():
    device = Device(a=1.0, b=2.0)
    rounds, _ = interleave(device, Plan(seed=8, rounds=10))
    for place in (0, 1):
        results, pairing = rounds.results(place), rounds.pairing(place)
        load, _, first, warmup, measured = rounds.series(place)
        assert len(load.values) == len(first.values) == 10
        assert len(warmup.values) == 20
        assert len(measured.values) == len(measured.times) == sum(len(r.times.measured) for r in results)
        assert list(measured.times) == sorted(measured.times)
        assert (pairing.id, pairing.seed, pairing.place) == ("the-id", 8, place)
        bounds = [*pairing.rounds, len(measured.values)]
        for number, result in enumerate(results):
            part = measured.values[bounds[number] : bounds[number + 1]]
            assert part == pytest.approx([tick * 1e-9 for tick in result.times.measured])


def test_what_was_measured_before_a_round_broke_is_kept():
    from odd_runs import on_hardware
    from runs import make_run

    rounds, error = interleave(Device(a=1.0, b=2.0, breaks_at=8), Plan(seed=1))
    assert error is not None
    assert sorted(len(rounds.results(place)) for place in (0, 1)) in ([3, 3], [3, 4])
    longest = max((0, 1), key=lambda place: len(rounds.results(place)))
    run = replace(on_hardware(make_run()), series=rounds.series(longest), pairing=rounds.pairing(longest))
    assert len(split_rounds(run)) == len(rounds.results(longest))


def test_a_break_in_the_very_first_pass_leaves_nothing_and_no_error_of_its_own():
    rounds, error = interleave(Device(a=1.0, b=2.0, breaks_at=1), Plan(seed=1))
    assert error is not None
    for place in (0, 1):
        assert rounds.series(place) == ()
        assert rounds.pairing(place).rounds == ()


def test_a_plan_without_a_seed_draws_one_and_keeps_it():
    assert draw_plan(None, None, 5).seed == 5
    assert draw_plan(None, None, None).seed != draw_plan(None, None, None).seed


def test_a_round_is_short():
    assert default_round("wall").seconds[1] <= 1
    assert default_round("instructions").agreement is not None
