"""Change points: found where they are, not found where there are none; and what a history is made of."""

import random

import pytest
from msgspec.structs import replace
from runs import DEVICE, make_run

from edgeq.errors import InputError
from edgeq.results.changes import ALPHA, LEAST_SIDE, find_shifts, find_steps
from edgeq.results.history import trace_history
from edgeq.results.origin import describe_energy
from edgeq.results.records import Conditions, Missing, Reading, Series

BOARD = replace(DEVICE, profile="pi5", kind="hardware", clock="wall")


def indices(cuts):
    return [cut.index for cut in cuts]


def noise(count, *, seed, centre=100.0, spread=2.0):
    chance = random.Random(seed)
    return [chance.gauss(centre, spread) for _ in range(count)]


def test_a_step_of_an_exact_quantity_is_found_at_its_first_value():
    (cut,) = find_steps([100.0, 100.1, 99.9, 102.0, 102.1], 0.005)
    assert (cut.index, cut.before, cut.after, cut.p) == (3, 100.0, 102.05, None)


def test_an_exact_quantity_may_wobble_within_what_it_repeats_by():
    assert find_steps([100.0, 100.3, 99.7, 100.3], 0.005) == []
    assert indices(find_steps([100.0, 100.3, 99.7, 100.3], 0.0)) == [1, 2, 3]


def test_one_value_too_far_out_makes_no_level_of_those_that_follow():
    assert find_steps([100.0, 100.0, 106.0, 103.0, 103.0, 103.0], 0.05) == []


def test_there_and_back_are_two_changes():
    assert indices(find_steps([5.0, 5.0, 7.0, 5.0], 0.01)) == [2, 3]


def test_a_slow_drift_of_an_exact_quantity_is_found_in_the_end():
    assert find_steps([100.0 + 0.1 * n for n in range(30)], 0.01) != []


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [3.0] * 40])
def test_nothing_changes_where_nothing_differs(values):
    assert find_steps(values, 0.0) == []
    assert find_shifts(values) == []


def test_a_step_from_zero_is_a_change():
    (cut,) = find_steps([0.0, 0.0, 2.0], 0.005)
    assert (cut.before, cut.after) == (0.0, 2.0)
    assert indices(find_shifts([0.0] * 10 + [1.0] * 10)) == [10]


def test_a_shift_of_a_noisy_quantity_is_found_near_its_place():
    alarms = 0
    for seed in range(20):
        cuts = find_shifts(noise(25, seed=seed) + noise(25, seed=seed + 100, centre=110.0))
        (cut,) = [cut for cut in cuts if abs(cut.index - 25) <= 1]
        assert cut.before == pytest.approx(100, abs=2)
        assert cut.after == pytest.approx(110, abs=2)
        assert cut.p <= ALPHA
        alarms += len(cuts) - 1
    # Both halves have a chance of ALPHA to be cut: 0.4 on the average, and five or more never.
    assert alarms < 5


def test_two_shifts_are_found():
    values = noise(20, seed=1) + noise(20, seed=2, centre=120.0) + noise(20, seed=4, centre=90.0)
    assert indices(find_shifts(values)) == [20, 40]


def test_a_noisy_quantity_without_a_change_is_seldom_said_to_have_one():
    # 200 histories at 1 %: two on the average, and eight or more once in a thousand times.
    alarms = sum(bool(find_shifts(noise(20, seed=seed))) for seed in range(200))
    assert alarms < 8


def test_outliers_are_no_change():
    values = noise(40, seed=5)
    for at in (3, 17, 31):
        values[at] *= 10
    assert find_shifts(values) == []


def test_a_certain_shift_that_is_too_small_to_matter_is_not_shown():
    values = noise(50, seed=1, spread=0.1) + noise(50, seed=2, spread=0.1, centre=100.5)
    assert find_shifts(values) == []
    assert indices(find_shifts([value + 2 * (value > 100.25) for value in values])) == [50]


def test_the_fewest_values_that_can_prove_a_shift():
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 2.0, 2.1, 2.2, 2.3, 2.4]
    assert len(values) == 2 * LEAST_SIDE
    assert indices(find_shifts(values)) == [5]
    assert find_shifts(values[:-1]) == []


def test_the_same_values_give_the_same_answer():
    values = noise(30, seed=8) + noise(30, seed=9, centre=102.0)
    assert find_shifts(values) == find_shifts(values)


def board_runs(latencies, **changes):
    return [
        make_run(id=f"run{n}", created=f"2026-11-{n + 1:02}T00:00:00+00:00", latency=(value,), **changes)
        for n, value in enumerate(latencies)
    ]


def test_a_history_on_an_instruction_clock_names_the_run_of_the_change():
    runs = board_runs([1000.0, 1000.5, 1100.0, 1100.0])
    traced = trace_history(runs, "latency", {"run2": {"commit": "c1"}})
    (change,) = traced.changes
    assert (change.index, change.run, change.ratio) == (2, "run2", pytest.approx(1.1, abs=0.001))
    assert traced.unit == "insn"
    assert [point.value for point in traced.points] == [1000.0, 1000.5, 1100.0, 1100.0]
    assert traced.points[2].labels == {"commit": "c1"}
    assert (traced.artifact, traced.recipe, traced.device) == ("digits", "fp32", "virt-pi5")
    assert traced.method.startswith("repeatable")


def wall_runs(latencies):
    runs = board_runs(latencies, device=BOARD)
    return [replace(run, series=tuple(replace(series, unit="s") for series in run.series)) for run in runs]


def test_a_history_on_a_wall_clock_is_tested_for_chance():
    runs = wall_runs(noise(14, seed=1) + noise(14, seed=2, centre=120.0))
    traced = trace_history(runs, "latency")
    assert [change.index for change in traced.changes] == [14]
    assert traced.method.startswith("noisy")
    assert "too few" not in traced.method
    few = trace_history(runs[10:18], "latency")
    assert few.changes == ()
    assert "8 runs are too few to tell, 10 are needed" in few.method


def test_other_quantities_than_latency_are_followed():
    runs = board_runs([1000.0] * 3)
    sizes = [replace(run, artifact=replace(run.artifact, bytes=100 + (n > 1))) for n, run in enumerate(runs)]
    assert [change.run for change in trace_history(sizes, "size").changes] == ["run2"]
    assert trace_history(runs, "top1").quantity == "accuracy.top1"
    assert trace_history(runs, "rss_peak").unit == "B"


def test_an_unknown_quantity_lists_the_known_ones():
    with pytest.raises(InputError, match="no run has a quantity 'smell'") as caught:
        trace_history(board_runs([1.0]), "smell")
    assert "latency" in caught.value.hint
    assert "accuracy.top1" in caught.value.hint


def test_runs_that_cannot_be_compared_are_left_out_and_counted():
    runs = board_runs([1.0, 1.0, 1.0, 1.0, 1.0])
    runs[0] = replace(runs[0], status="failed")
    runs[1] = replace(runs[1], spec=replace(runs[1].spec, threads=4))
    runs[2] = replace(runs[2], series=())
    traced = trace_history(runs, "latency")
    assert [point.run for point in traced.points] == ["run3", "run4"]
    assert traced.left_out == {
        "the run failed": 1,
        "threads 4, newest has 1": 1,
        "no latency was measured": 1,
    }


def test_runs_that_are_not_valid_are_left_out_and_counted():
    runs = board_runs([1.0, 9.0, 1.0, 9.0])
    runs[1], runs[3] = (replace(run, invalid=("throttled for 4 s",)) for run in (runs[1], runs[3]))
    traced = trace_history(runs, "latency")
    assert [point.run for point in traced.points] == ["run0", "run2"]
    assert traced.left_out == {"the run is not valid": 2}


def test_runs_under_unlike_conditions_are_left_out_and_versions_may_differ():
    runs = wall_runs([1.0] * 5)
    runs[0] = replace(runs[0], spec=replace(runs[0].spec, warmup=9))
    runs[1] = replace(runs[1], conditions=Conditions(before={"governor": Reading(value="powersave")}))
    runs[2] = replace(runs[2], device=replace(BOARD, cpu="Cortex-A72"))
    runs[3] = replace(
        runs[3], device=replace(BOARD, os="Debian GNU/Linux 13", kernel="6.12", libc="glibc 2.41")
    )
    traced = trace_history(runs, "latency")
    assert [point.run for point in traced.points] == ["run3", "run4"]
    assert sorted(reason.partition(" ")[0] for reason in traced.left_out) == ["cpu", "governor", "warmup"]
    assert "governor powersave, newest has not known" in traced.left_out


def energy(joules, sensor, kind="net"):
    source = describe_energy(f"{sensor}: hwmon ina219", kind, 50)
    return Series(name="energy", unit="J", phase="measured", values=(joules,), source=source)


def test_energy_is_followed_by_one_sensor_and_one_kind():
    board, rail = "input (board)", "cores (rail)"
    series = [
        (energy(0.09, board), energy(0.02, rail)),
        (energy(0.02, rail),),
        (energy(0.14, board, "gross"),),
        (energy(0.02, rail), energy(0.09, board)),
        (energy(0.09, board), energy(0.02, rail)),
    ]
    runs = [replace(run, series=each) for run, each in zip(board_runs([1.0] * 5), series, strict=True)]
    traced = trace_history(runs, "energy")
    assert [point.value for point in traced.points] == [0.09] * 3
    assert traced.where == "input (board), net"
    assert traced.left_out == {
        "measured at cores (rail), net, newest has input (board), net": 1,
        "measured at input (board), gross, newest has input (board), net": 1,
    }

    other = trace_history(runs, "energy", sensor="cores (rail), net")
    assert [point.value for point in other.points] == [0.02] * 4
    assert other.left_out == {"no energy of cores (rail), net was measured": 1}
    with pytest.raises(InputError, match="5 x no energy of cores was measured") as refused:
        trace_history(runs, "energy", sensor="cores")
    assert "cores (rail), net" in refused.value.hint
    with pytest.raises(InputError, match="latency is by no sensor"):
        trace_history(board_runs([1.0]), "latency", sensor="cores (rail), net")


def test_a_history_of_nothing_but_failures_says_so():
    runs = [replace(run, status="failed") for run in board_runs([1.0, 1.0])]
    with pytest.raises(InputError, match="2 x the run failed"):
        trace_history(runs, "latency")


def test_memory_that_was_not_measured_is_not_zero():
    runs = board_runs([1.0, 1.0])
    runs[0] = replace(runs[0], memory=replace(runs[0].memory, rss_peak=Missing(missing="hidden")))
    traced = trace_history(runs, "rss_peak")
    assert len(traced.points) == 1
    assert traced.left_out == {"no rss_peak was measured": 1}
