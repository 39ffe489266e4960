"""Memory by stage and the cold load, from what a runner wrote."""

import pytest
from msgspec.structs import replace

from edgeq.devices.profile import load_profile
from edgeq.measure.gaps import NOT_ASKED, find_gaps
from edgeq.measure.latency import default_spec, latency_series
from edgeq.measure.memory import is_warm, memory_job, memory_parts, memory_series
from edgeq.results.memory import packed_bytes
from edgeq.results.records import Missing
from edgeq.runner.job import Job, MemoryStage, Result, Times

RESULT = Result(
    schema=1,
    kind="memory",
    status="ok",
    executorch="1.5.1",
    arenas=(100, 50),
    times=Times(load=3_000_000, init=2, first=1),
    cached=0.0,
    memory=(
        MemoryStage(stage="start", rss=500, hwm=500, heap=80, pss=300),
        MemoryStage(stage="initialized", rss=900, hwm=1500, heap=1000, pss=700),
        MemoryStage(stage="done", rss=800, hwm=1500, heap=900, pss=650),
    ),
)


def by_name(result, clock="wall"):
    series, gaps = memory_series(result, clock)
    return {each.name: each for each in series}, gaps


def test_packed_weights_are_what_loading_took_without_the_planned_buffers():
    memory = memory_parts(RESULT, 10, "wall")
    assert packed_bytes(memory) == 1000 - 80 - 150
    assert (memory.heap_start, memory.pss_peak, memory.rss_peak) == (80, 700, 1500)
    untold = memory_parts(replace(RESULT, arenas=None), 10, "wall")
    assert isinstance(packed_bytes(untold), Missing)


def test_every_stage_is_a_value_with_its_name():
    series, gaps = by_name(RESULT)
    assert series["pss"].values == (300, 700, 650)
    assert series["rss"].unit == "B"
    assert "start, initialized, done" in series["heap"].source
    assert gaps == {}


def test_load_without_the_page_cache_is_a_series_of_its_own():
    series, _ = by_name(RESULT)
    assert series["load.cold"].values == (0.003,)
    assert "no page" in series["load.cold"].source
    assert by_name(RESULT, "instructions")[0]["init.cold"].unit == "insn"


@pytest.mark.parametrize(
    ("changes", "clock", "said"),
    [
        ({"cached": 1.0}, "wall", "kept 100%"),
        ({"cached": 0.02}, "wall", "kept 2%"),
        ({"cached": None}, "wall", "does not tell"),
        ({"times": None}, "wall", "did not reach"),
        ({}, "none", "no clock"),
    ],
)
def test_load_that_was_not_cold_is_a_reason_and_no_number(changes, clock, said):
    series, gaps = by_name(replace(RESULT, **changes), clock)
    assert "load.cold" not in series
    assert all(said in gaps[name] for name in ("load.cold", "init.cold", "first.cold"))


def test_proportional_set_that_the_kernel_hides_is_a_reason():
    hidden = tuple(replace(stage, pss=None) for stage in RESULT.memory)
    series, gaps = by_name(replace(RESULT, memory=hidden))
    assert "smaps_rollup" in gaps["pss"]
    assert series.keys() >= {"heap", "rss"}
    assert "smaps_rollup" in memory_parts(replace(RESULT, memory=hidden), 1, "wall").pss_peak.missing
    assert "QEMU" in by_name(RESULT, "none")[1]["pss"]


def test_latency_pass_says_that_it_read_no_proportional_set():
    assert "--measure memory" in memory_parts(replace(RESULT, kind="latency"), 1, "wall").pss_peak.missing


def test_memory_pass_is_of_the_same_program_threads_and_cores():
    latency = Job(kind="latency", program="p", inputs="i", threads=2, cpus=(1,), iterations=(5, 9), rate=3.0)
    assert memory_job(latency) == Job(kind="memory", program="p", inputs="i", threads=2, cpus=(1,))


@pytest.mark.parametrize(("cached", "warm"), [(1.0, True), (0.99, True), (0.5, False), (None, True)])
def test_warm_is_a_file_that_lay_in_the_page_cache(cached, warm):
    assert is_warm(replace(RESULT, cached=cached)) == warm


def test_what_the_memory_pass_gives_is_missing_with_a_reason_when_it_was_not_asked_for():
    gaps = find_gaps(load_profile("raspberry-pi-5"), default_spec("wall"))
    assert {gaps[name] for name in ("heap", "rss", "pss", "load.cold", "init.cold", "first.cold")} == {
        NOT_ASKED
    }
    asked = replace(default_spec("wall"), passes=("latency", "memory"))
    assert "pss" not in find_gaps(load_profile("raspberry-pi-5"), asked)


def test_what_the_runner_adds_is_a_series_of_raw_values():
    times = Times(load=1, init=1, first=1, measured=(9,), starts=(1,), empty=(30, 31))
    (empty,) = [each for each in latency_series(replace(RESULT, times=times), "wall") if each.name == "empty"]
    assert empty.values == pytest.approx((30e-9, 31e-9))
