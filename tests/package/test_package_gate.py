"""What ships is what was measured: runs are matched by program, and what failed or is missing is refused."""

import re

import pytest
from made import TOP1, change_manifest, packed, run_of
from msgspec.structs import replace

from edgeq.errors import GateFailed, InputError
from edgeq.package.card import render_card
from edgeq.results.records import Accuracy, Failure, OutputCheck

OFF = OutputCheck(within=False, samples=1, bound="SQNR of at least 20 dB")


def test_a_measured_artifact_rests_on_its_run(int8):
    contents = packed(int8)
    assert [run.device.profile for run in contents.runs] == ["pi5"]
    assert contents.exceptions == ()


def test_a_run_of_another_program_does_not_count(int8):
    run = run_of(int8)
    other = replace(run, artifact=replace(run.artifact, sha256="00" * 32))
    with pytest.raises(GateFailed, match=r"no run of this program"):
        packed(int8, runs=[other])


def test_an_unmeasured_artifact_is_refused_and_the_hint_names_the_way_out(int8):
    with pytest.raises(GateFailed) as caught:
        packed(int8, runs=[])
    assert "--allow-unmeasured" in caught.value.hint
    assert caught.value.exit_code == 1


def test_what_was_let_through_stands_in_the_card_in_words(int8):
    contents = packed(int8, runs=[], allow_unmeasured=True)
    card = render_card(contents)
    assert "NOT AS MEASURED: digits.int8: no run of this program" in card
    assert "No run on any device" in card
    assert "It was not measured on hardware." in card


def test_outputs_that_are_off_are_refused_even_when_unmeasured_ones_are_allowed(int8):
    runs = [run_of(int8, outputs=OFF, status="failed")]
    with pytest.raises(GateFailed, match=r"on pi5: outputs differ"):
        packed(int8, runs=runs, allow_unmeasured=True)
    card = render_card(packed(int8, runs=runs, allow_failed=True))
    assert "NOT AS MEASURED: digits.int8 on pi5: outputs differ" in card


def test_the_newest_run_of_each_device_decides(int8):
    old = run_of(int8, created="2026-11-01T00:00:00+00:00", outputs=OFF)
    new = run_of(int8, created="2026-11-02T00:00:00+00:00")
    assert packed(int8, runs=[new, old]).runs == (new,)
    with pytest.raises(GateFailed, match="outputs differ"):
        packed(int8, runs=[replace(old, created=new.created), replace(new, created=old.created)])


def test_of_runs_of_one_second_the_id_decides_wherever_they_come_from(int8):
    first, second = (run_of(int8, id=letter * 32) for letter in "ab")
    assert packed(int8, runs=[first, second]).runs == packed(int8, runs=[second, first]).runs == (second,)


@pytest.mark.parametrize("way", [{"cpus": (4,)}, {"in_app": True}])
def test_a_run_made_in_another_way_does_not_stand_for_one_that_failed(int8, way):
    failed = run_of(int8, created="2026-11-01T00:00:00+00:00", outputs=OFF)
    spec = replace(failed.spec, **way)
    with pytest.raises(GateFailed, match="outputs differ"):
        packed(int8, runs=[failed, run_of(int8, created="2026-11-02T00:00:00+00:00", spec=spec)])


def test_why_a_run_is_not_valid_stands_in_the_card(int8):
    card = render_card(packed(int8, runs=[run_of(int8, invalid=("the governor was powersave",))]))
    assert "NOT VALID: int8 on pi5: the governor was powersave." in card
    assert re.search(r"\| invalid +\|", card)


def test_one_device_that_failed_is_not_outvoted_by_another(int8):
    with pytest.raises(GateFailed, match="pi4"):
        packed(int8, runs=[run_of(int8, profile="pi5"), run_of(int8, profile="pi4", outputs=OFF)])


def test_a_run_without_output_check_is_no_evidence(int8):
    for outputs in (None, OutputCheck(missing="not asked for")):
        with pytest.raises(GateFailed, match="no run of this program with an output check"):
            packed(int8, runs=[run_of(int8, outputs=outputs)])


def test_a_run_that_failed_after_its_output_check_is_refused(int8):
    error = Failure(stage="run", kind="RunnerError", message="it died")
    with pytest.raises(GateFailed, match="the run failed at run"):
        packed(int8, runs=[run_of(int8, status="failed", error=error)])


def test_a_model_without_evaluation_is_unmeasured(int8):
    missing = {"missing": "the workload has no evaluate()"}
    change_manifest(
        int8, accuracy={"eager": missing, "converted": missing, "host": missing, "device": missing}
    )
    with pytest.raises(GateFailed, match=r"accuracy was not measured: the workload has no evaluate\(\)"):
        packed(int8)
    contents = packed(int8, allow_unmeasured=True)
    assert "not measured: the workload has no evaluate()" in render_card(contents).replace("\\", "")


@pytest.mark.parametrize(("host", "refused"), [(0.975, False), (0.9, True), (1.0, False)])
def test_a_program_that_lost_accuracy_is_refused(int8, host, refused):
    change_manifest(
        int8, accuracy={"eager": TOP1, "converted": TOP1, "host": {"top1": host}, "device": {"missing": "x"}}
    )
    if not refused:
        packed(int8)
        return
    with pytest.raises(GateFailed, match=r"top1 is 0\.9000 and the model has 0\.9800"):
        packed(int8)


@pytest.mark.parametrize("eager", [0.97, 0.98, 0.99, 0.5])
def test_a_drop_of_just_the_limit_is_let_through_however_it_is_rounded(int8, eager):
    host = {"top1": round(eager - 0.01, 2)}
    change_manifest(
        int8,
        accuracy={"eager": {"top1": eager}, "converted": TOP1, "host": host, "device": {"missing": "x"}},
    )
    assert packed(int8)


def test_a_metric_that_is_no_number_any_more_is_refused(int8):
    run = run_of(int8)
    broken = Accuracy(eager=TOP1, converted=TOP1, host=TOP1, device={"top1": float("nan")})
    with pytest.raises(GateFailed, match="top1 is nan"):
        packed(int8, runs=[replace(run, artifact=replace(run.artifact, accuracy=broken))])


@pytest.mark.parametrize(("host", "refused"), [(0.1, False), (0.3, True)])
def test_a_cost_may_fall_and_not_rise(int8, host, refused):
    rung = {"missing": "x"}
    accuracy = {"eager": {"val_loss": 0.2}, "converted": rung, "host": {"val_loss": host}, "device": rung}
    change_manifest(int8, accuracy=accuracy)
    if not refused:
        packed(int8)
        return
    with pytest.raises(GateFailed, match=r"val_loss is 0\.3000"):
        packed(int8)


def test_accuracy_lost_on_the_device_only_is_refused(int8):
    run = run_of(int8)
    worse = Accuracy(eager=TOP1, converted=TOP1, host=TOP1, device={"top1": 0.5})
    with pytest.raises(GateFailed, match=r"digits.int8 on pi5: top1 is 0.5000"):
        packed(int8, runs=[replace(run, artifact=replace(run.artifact, accuracy=worse))])


def test_a_report_with_an_odd_time_is_a_wrong_input(int8):
    with pytest.raises(InputError, match="not a time"):
        packed(int8, runs=[run_of(int8, created="yesterday")])
