"""Runs of a device without a clock: every page says why nothing was timed, and none calls it a time."""

import csv
import io

import pytest
from msgspec.structs import replace
from odd_runs import NO_CLOCK, on_hardware, pair

from edgeq.devices.profile import load_profile
from edgeq.errors import InputError
from edgeq.measure.gaps import NO_CLOCK as REASON
from edgeq.measure.gaps import OF_MEMORY, TIMED, find_gaps, find_operator_gap
from edgeq.measure.latency import default_spec, latency_series, ticks_to_unit
from edgeq.measure.memory import memory_parts
from edgeq.measure.watch import WATCHED
from edgeq.report.csv import render_csv
from edgeq.report.html.page import render_html
from edgeq.report.markdown import render_markdown
from edgeq.report.sections import report_sections
from edgeq.report.text import render_text
from edgeq.results.compare import compare_runs
from edgeq.results.history import trace_history
from edgeq.results.records import Missing
from edgeq.runner.job import MemoryStage, Result, Times

RUNS = pair(**NO_CLOCK)
RESULT = Result(
    schema=1,
    kind="latency",
    status="ok",
    executorch="1.5.1",
    arenas=(10, 20),
    times=Times(load=1, init=2, first=3, measured=(4,), starts=(5,)),
    memory=(
        MemoryStage(stage="start", rss=1, hwm=1, heap=5),
        MemoryStage(stage="done", rss=9, hwm=9, heap=7),
    ),
)


def test_nothing_is_timed_and_memory_of_qemu_is_not_the_programs():
    assert latency_series(RESULT, "none") == ()
    memory = memory_parts(RESULT, 100, "none")
    assert (memory.program, memory.arena, memory.heap_peak) == (100, 30, 7)
    assert "QEMU" in memory.rss_peak.missing
    assert "QEMU" in memory.rss_start.missing
    assert memory_parts(RESULT, 100, "wall").rss_peak == 9
    with pytest.raises(ValueError, match="no clock"):
        ticks_to_unit("none")


def test_gaps_are_known_before_anything_is_measured():
    emulator, board, pi = map(load_profile, ("emulator-a76", "virt-pi5", "raspberry-pi-5"))
    gaps = find_gaps(emulator, default_spec("none"))
    assert gaps.keys() == {*TIMED, *OF_MEMORY, *WATCHED, "power", "energy"}
    assert gaps["latency"] == REASON
    assert find_operator_gap(emulator, default_spec("none")) == Missing(missing=REASON)
    assert find_gaps(board, default_spec("instructions")).keys() == {*OF_MEMORY, *WATCHED, "power", "energy"}
    assert find_gaps(pi, default_spec("wall"))["power"] == "not asked for"
    with_power = replace(default_spec("wall"), passes=("latency", "memory", "power"))
    assert find_gaps(pi, with_power) == {}
    assert "names no power sensor" in find_gaps(load_profile("linux-aarch64"), default_spec("wall"))["power"]
    outputs_only = replace(default_spec("wall"), passes=("outputs",))
    assert find_gaps(pi, outputs_only)["latency"] == "not asked for"


@pytest.mark.parametrize("render", [render_text, lambda sections: render_markdown("title", sections)])
def test_a_report_says_why_and_speaks_of_neither_time_nor_counts(render):
    text = render(report_sections(RUNS))
    assert "has no clock" in text
    assert "latency, load, operators: not measured: qemu-user has no clock" in text
    assert "power: not measured: it draws none" in text
    assert "instruction" not in text


def test_a_page_wears_the_badge_and_draws_no_latency():
    page = render_html(RUNS)
    assert '<span class="badge">emulated, no clock</span>' in page
    assert "Instructions per inference" not in page
    assert "emulated, no clock" in page


def test_csv_has_a_row_for_each_gap_and_no_number_in_it():
    rows = [row for row in csv.DictReader(io.StringIO(render_csv(RUNS[:1]))) if row["quantity"] == "latency"]
    assert [(row["clock"], row["value"], row["missing"]) for row in rows] == [
        ("none", "", "qemu-user has no clock")
    ]


def test_two_such_runs_compare_by_what_they_have():
    comparison = compare_runs(RUNS[:1], RUNS[:1])
    quantities = {finding.quantity for finding in comparison.pairs[0].findings}
    assert "arena" in quantities
    assert "latency" not in quantities


def test_such_a_run_is_never_set_beside_a_timed_one():
    timed = on_hardware(RUNS[0], profile="emulator-a76")
    with pytest.raises(InputError, match=r"clock \(none -> wall\)"):
        compare_runs(RUNS[:1], [timed])


def test_history_of_latency_has_no_point():
    with pytest.raises(InputError, match="latency"):
        trace_history(RUNS[:1], "latency")
