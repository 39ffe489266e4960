import csv
import io

import pytest
from hostile import TEXTS, make_hostile
from msgspec.structs import replace
from odd_runs import FAILED, NO_ACCURACY, ODD, on_hardware
from runs import hide_memory, make_run

from edgeq.report.csv import COLUMNS, render_csv
from edgeq.results.records import Series


def read(runs):
    return list(csv.DictReader(io.StringIO(render_csv(runs))))


def find(rows, quantity, statistic="value"):
    (row,) = [row for row in rows if (row["quantity"], row["statistic"]) == (quantity, statistic)]
    return row


def test_a_quantity_has_one_row_a_statistic_with_unit_and_number():
    rows = read([make_run()])
    assert [find(rows, "latency", each)["value"] for each in ("minimum", "median", "maximum")] == [
        "200.0",
        "202.0",
        "204.0",
    ]
    row = find(rows, "latency", "median")
    assert row | {"value": ""} == {
        "run": "0" * 32,
        "artifact": "digits",
        "recipe": "fp32",
        "device": "virt-pi5",
        "kind": "emulated",
        "clock": "instructions",
        "quantity": "latency",
        "statistic": "median",
        "value": "",
        "unit": "insn",
        "n": "3",
        "missing": "",
        "status": "ok",
        "invalid": "",
        "source": "test",
    }
    assert find(rows, "memory.rss_peak")["value"] == "8000000"
    assert find(rows, "accuracy.device.top1")["value"] == "0.98"
    assert find(rows, "outputs.sqnr_db")["unit"] == "dB"
    assert find(rows, "condition.load", "before")["value"] == "0.5"


def test_sampled_series_are_there():
    watts = Series(
        name="power", unit="W", phase="sampled", values=(2.0, 3.0), times=(0.0, 1.0), source="hwmon"
    )
    run = on_hardware(make_run())
    assert find(read([replace(run, series=(*run.series, watts))]), "power", "median")["value"] == "2.5"


def test_what_was_not_measured_has_a_reason_and_no_value():
    run = hide_memory(make_run(artifact=replace(make_run().artifact, accuracy=NO_ACCURACY)))
    rows = read([run])
    for quantity, reason in (
        ("memory.rss_peak", "hidden by the kernel"),
        ("accuracy.device", "no evaluate()"),
    ):
        assert find(rows, quantity)["value"] == ""
        assert find(rows, quantity)["missing"] == reason
    assert find(rows, "condition.governor", "before")["missing"] == "no cpufreq"


def test_a_failed_run_has_a_row_that_says_so():
    row = find(read([make_run(device=None, **FAILED)]), "latency", "median")
    assert row["value"] == row["device"] == ""
    assert row["missing"] == "failed at run: InvalidProgram at load"


def test_every_row_tells_whether_its_run_failed_or_is_not_valid():
    rows = read([make_run(device=None, **FAILED), make_run(id="1", invalid=("throttled", "too few cores"))])
    told = {(row["run"], row["status"], row["invalid"]) for row in rows}
    assert told == {("0" * 32, "failed", ""), ("1", "ok", "throttled; too few cores")}
    assert COLUMNS[-3:] == ("status", "invalid", "source")


def test_two_sensors_of_one_quantity_are_told_apart():
    watts = [
        Series(name="power", unit="W", phase="sampled", values=(value,), times=(0.0,), source=source)
        for value, source in ((2.0, "input (board): hwmon"), (1.0, "cores (rail): hwmon"))
    ]
    rows = read([replace(make_run(), series=tuple(watts))])
    medians = [row for row in rows if (row["quantity"], row["statistic"]) == ("power", "median")]
    assert {row["source"]: row["value"] for row in medians} == {
        "input (board): hwmon": "2.0",
        "cores (rail): hwmon": "1.0",
    }


@pytest.mark.parametrize(("within", "value"), [(True, "1"), (False, "0")])
def test_the_verdict_on_the_outputs_is_there(within, value):
    run = make_run()
    row = find(read([replace(run, outputs=replace(run.outputs, within=within))]), "outputs.within")
    assert (row["value"], row["unit"], row["n"]) == (value, "1", "8")
    undecided = read([replace(run, outputs=replace(run.outputs, within=None))])
    assert find(undecided, "outputs.within") | {"run": ""} == find(undecided, "outputs.within") | {
        "run": "",
        "value": "",
        "missing": "the outputs were not judged",
    }


def test_a_text_cannot_become_a_formula():
    rows = read([make_run(name="=HYPERLINK(1)"), make_run(name="-1+1"), make_run(name="@x")])
    assert {row["artifact"] for row in rows} == {"'=HYPERLINK(1)", "'-1+1", "'@x"}


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_give_whole_rows(name):
    rows = list(csv.reader(io.StringIO(render_csv(ODD[name]))))
    assert {len(row) for row in rows} == {len(COLUMNS)}


def test_hostile_texts_stay_in_their_cells():
    rows = list(csv.reader(io.StringIO(render_csv([make_hostile(shift) for shift in range(len(TEXTS))]))))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert {row[1] for row in rows[1:]} >= {TEXTS[0], TEXTS[2]}
