"""The accuracy ladder: what each rung lost, how it is told, and what a gate makes of it."""

import pytest
from msgspec.structs import replace
from runs import make_run

from edgeq.report.accuracy import accuracy_sections, ladder_sections
from edgeq.report.text import render_text
from edgeq.results.drop import parse_drop
from edgeq.results.ladder import AccuracyReport, judge_ladder, read_ladder, read_step
from edgeq.results.records import Accuracy, Closeness

CLOSE = Closeness(samples=360, source="evaluate", sqnr_db=27.94, max_abs_error=1.5, top1_agreement=1.0)
ACCURACY = Accuracy(
    eager={"top1": 0.98, "val_loss": 0.5},
    converted={"top1": 0.99, "val_loss": 0.52},
    host={"top1": 0.96},
    device={"missing": "the device failed"},
    samples=360,
    agreement={"converted": CLOSE},
)


def steps():
    return [*read_ladder("int8", ACCURACY), read_step("int8", ACCURACY, "device", "pi5")]


def test_each_rung_lost_what_it_is_worse_than_the_eager_model():
    eager, converted, host, device = steps()
    assert eager.lost == {}
    assert eager.closeness is None
    assert converted.lost == pytest.approx({"top1": -0.01, "val_loss": 0.02})
    assert host.lost == pytest.approx({"top1": 0.02})
    assert device.lost == {}
    assert device.closeness == Closeness(missing="the device failed")


def test_agreement_has_the_interval_of_its_samples():
    converted = steps()[1]
    assert converted.interval == pytest.approx((0.98944, 1.0), abs=1e-5)


def test_gate_names_what_was_lost_and_refuses_what_it_cannot_see():
    found = {(each.rung, each.metric): each for each in judge_ladder(steps(), parse_drop("0.03"))}
    assert found[".pte on the host", "top1"].loss.within
    assert found["converted model", "val_loss"].loss.within
    assert found[".pte on the host", "val_loss"].missing == "evaluate() did not give it"
    assert (
        found[".pte on pi5", "top1"].describe("1%") == "int8, .pte on pi5: top1 is missing: the device failed"
    )
    assert found[".pte on pi5", "top1"].better == "higher"
    assert found["converted model", "val_loss"].better == "lower"
    tight = [
        each for each in judge_ladder(steps(), parse_drop("0.015")) if each.loss and not each.loss.within
    ]
    assert [each.rung for each in tight] == ["converted model", ".pte on the host"]
    assert tight[1].describe("0.015") == (
        "int8, .pte on the host: top1 lost 0.02 (0.98 to 0.96); 0.015 is allowed (0.015)"
    )


def test_gate_says_which_side_it_takes_for_better():
    judged = tuple(judge_ladder(steps(), parse_drop("0.03")))
    report = AccuracyReport(name="net", steps=tuple(steps()), drop="0.03", judged=judged)
    text = render_text(ladder_sections(report))
    assert "By their names, higher is better for top1; lower is better for val_loss." in text


def test_report_shows_each_rung_with_its_loss_and_says_how_much_the_samples_can_hide():
    run = make_run("int8")
    (section,) = accuracy_sections([replace(run, artifact=replace(run.artifact, accuracy=ACCURACY))])
    text = render_text([section])
    assert "cannot rule out that top-1 drops by 1.1%" in text
    row = next(line for line in text.splitlines() if "converted model  " in line)
    for cell in ("0.9900", "-0.0100", "27.9 dB", "100.00% (98.9% to 100.0%)"):
        assert cell in row
    assert "Outputs not compared: the device failed (int8 .pte on virt-pi5 (emulated))." in text


def test_run_without_any_accuracy_has_no_such_table():
    nothing = {"missing": "no evaluate()"}
    bare = Accuracy(eager=nothing, converted=nothing, host=nothing, device=nothing)
    run = make_run("int8")
    assert accuracy_sections([replace(run, artifact=replace(run.artifact, accuracy=bare))]) == []
    without = replace(bare, agreement={"host": replace(CLOSE, source="calibration")})
    (section,) = accuracy_sections([replace(run, artifact=replace(run.artifact, accuracy=without))])
    assert "27.9 dB" in render_text([section])
    assert "cannot rule out" not in render_text([section])
