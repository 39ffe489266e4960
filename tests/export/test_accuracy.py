"""The accuracy ladder on this machine, and the command that shows and judges it."""

import dataclasses
import json

import pytest
import torch
from networks import EXAMPLES, export, make_workload
from torch import nn

from edgeq.cli.main import main
from edgeq.compile.evaluation.accuracy import SPARE_SAMPLES
from edgeq.compile.evaluation.eager_baseline import run_baseline
from edgeq.compile.evaluation.ladder import Eager, climb, climb_host
from edgeq.compile.export import publish
from edgeq.compile.recipe import extend_recipe
from edgeq.compile.subject import open_subject
from edgeq.workload.loader import load_workload


class Counting(nn.Module):
    """Twice its input, and how often it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, x):
        self.asked += 1
        return 2 * x


def ask(count):
    def evaluate(predict):
        return {"sum": sum(float(predict(torch.full((1, 3), float(i))).sum()) for i in range(count))}

    return evaluate


def off_by_one(leaves):
    return [2 * leaves[0] + 1]


def test_each_rung_is_asked_once_for_each_input_and_the_eager_model_only_for_what_is_not_remembered():
    for room, again in ((1000, 0), (0, 10)):
        subject = open_subject(make_workload(Counting, (1, 3), evaluate=ask(10)))
        eager, other = Eager(subject, room), Counting()
        metrics = climb(subject, eager.answer, Eager(subject)).metrics
        before = subject.module.asked
        rung = climb(subject, lambda leaves, other=other: [other(leaves[0]) + 1], eager)
        assert other.asked == 10
        assert subject.module.asked - before == again
        assert (metrics["sum"], rung.metrics["sum"]) == (270.0, 300.0)
        assert (rung.closeness.samples, rung.closeness.max_abs_error) == (10, 1.0)


def test_evaluation_that_goes_by_the_answers_is_compared_on_its_own_inputs():
    def evaluate(predict):
        x = torch.ones(1, 3)
        for _ in range(4):
            x = predict(x)
        return {"sum": float(x.sum())}

    subject = open_subject(make_workload(Counting, (1, 3), evaluate=evaluate))
    accuracy = climb_host(subject, Counting(), off_by_one, Eager(subject))
    assert accuracy.samples == 4
    assert accuracy.agreement["converted"].sqnr_db is None
    # Of each answer, not of what it has grown to.
    assert accuracy.agreement["host"].max_abs_error == 1.0


def test_changing_an_output_in_place_does_not_change_what_the_others_are_compared_with():
    def evaluate(predict):
        return {"sum": float(predict(torch.ones(1, 3)).zero_().sum())}

    subject = open_subject(make_workload(Counting, (1, 3), evaluate=evaluate))
    assert climb_host(subject, Counting(), off_by_one, Eager(subject)).agreement["converted"].sqnr_db is None


def test_without_an_evaluation_outputs_are_compared_on_what_the_workload_has():
    bare = make_workload(Counting, inputs=lambda: (torch.ones(1, 3),), calibration=None)
    given = dataclasses.replace(bare, calibration=lambda: [(torch.ones(1, 3),)] * 100)
    for workload, source, samples in ((bare, "reference", 1), (given, "calibration", SPARE_SAMPLES)):
        subject = open_subject(workload)
        accuracy = climb_host(subject, Counting(), off_by_one, Eager(subject))
        assert accuracy.samples is None
        assert "missing" in accuracy.host
        host = accuracy.agreement["host"]
        assert (host.source, host.samples, host.max_abs_error) == (source, samples, 1.0)


@pytest.fixture
def edgeq(monkeypatch, capsys, tmp_path):
    """The command as a user runs it, in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("EDGEQ_STORE", str(tmp_path / "runs.sqlite"))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["edgeq", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capsys.readouterr()

    return run


def test_command_shows_each_rung_of_a_workload_and_of_its_artifact(edgeq, digits_int8):
    code, out, _ = edgeq("accuracy", "digits", "--max-drop", "1pt", "--json")
    assert code == 0
    report = json.loads(out)
    assert [step["rung"] for step in report["steps"]] == ["eager", "converted", "host"]
    accuracy = digits_int8.manifest.accuracy
    assert report["steps"][2]["closeness"]["sqnr_db"] == accuracy.agreement["host"].sqnr_db
    assert report["steps"][2]["interval"][0] > 0.98
    assert [judged["loss"]["within"] for judged in report["judged"]] == [True, True]
    code, out, _ = edgeq("accuracy", digits_int8.folder)
    assert code == 0
    assert "360" in next(line for line in out.splitlines() if ".pte on the host" in line)
    assert "cannot rule out" in out


def test_gate_says_no_and_names_rung_metric_loss_and_what_is_allowed(edgeq, digits_int8, tmp_path):
    artifact = publish(digits_int8.folder, tmp_path)
    code, out, err = edgeq("accuracy", artifact, "--max-drop", "1%")
    assert (code, err) == (0, "")
    change_host(artifact, {"top1": 0.9})
    code, out, err = edgeq("accuracy", artifact, "--max-drop", "1%")
    assert code == 1
    assert "0.9000" in out
    assert "digits.int8, .pte on the host: top1 lost 0.09444 (0.9944 to 0.9)" in err
    assert "0.009944 is allowed (1%)" in err
    change_host(artifact, {"missing": "the host was asleep"})
    code, _, err = edgeq("accuracy", artifact, "--max-drop", "50%")
    assert code == 1
    assert "top1 is missing: the host was asleep" in err
    assert edgeq("accuracy", artifact)[0] == 0


def change_host(artifact, metrics):
    manifest = json.loads((artifact / "manifest.json").read_text())
    manifest["accuracy"]["host"] = metrics
    (artifact / "manifest.json").write_text(json.dumps(manifest))


def test_wrong_input_is_told_before_any_work(edgeq, digits_int8, tmp_path):
    (tmp_path / "net.pte").write_bytes(b"x")
    for arguments, words in (
        (("digits", "--max-drop", "-1%"), "no drop"),
        ((digits_int8.folder, "--recipe", "int8"), "has its recipe"),
        ((tmp_path / "net.pte",), "program alone"),
        ((digits_int8.folder, "--max-drop", "1"), "no model could fail"),
        (("digits", "--device", "nowhere"), "nowhere"),
    ):
        code, out, err = edgeq("accuracy", *arguments)
        assert (code, out) == (2, "")
        assert words in err


WITHOUT_EVALUATE = """
import torch
def model():
    return torch.nn.Linear(4, 3)
def example_inputs():
    return (torch.randn(1, 4),)
def calibration():
    return [example_inputs() for _ in range(8)]
"""


def test_without_an_evaluation_outputs_are_shown_and_a_gate_refuses(edgeq, tmp_path):
    file = tmp_path / "plain.py"
    file.write_text(WITHOUT_EVALUATE)
    code, out, err = edgeq("accuracy", file, "--max-drop", "1%", "--quiet")
    assert code == 2
    assert "has no evaluate()" in err
    assert "add evaluate(predict)" in err
    assert "samples of the calibration set" in out
    host = next(line for line in out.splitlines() if ".pte on the host  " in line)
    assert " dB" in host
    assert edgeq("accuracy", file, "--quiet")[0] == 0
    artifact = publish(export(load_workload(str(file)), "int8").folder, tmp_path / "out")
    code, _, err = edgeq("accuracy", artifact, "--device", "local")
    assert code == 2
    assert f"edgeq accuracy PATH/plain.py --recipe {artifact}" in err


SCORED = """
from pathlib import Path
import torch
def model():
    return torch.nn.Linear(4, 3)
def example_inputs():
    return (torch.randn(1, 4),)
def evaluate(predict):
    predict(*example_inputs())
    with Path(__file__).with_name("asked").open("a") as asked:
        print("asked", file=asked)
    return {"top1": float(Path(__file__).with_name("score").read_text())}
"""


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """A workload whose score lies in a file beside it, with a cache of its own."""
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "score").write_text("0.5")
    (tmp_path / "scored.py").write_text(SCORED)
    return tmp_path / "scored.py"


def test_eager_model_is_evaluated_once_for_all_recipes_in_the_cache(edgeq, scored):
    arguments = ("accuracy", scored, "--recipe", "fp32", "--recipe", "int8-dynamic", "--quiet")
    assert edgeq(*arguments)[0] == 0
    asked = scored.with_name("asked")
    asked.unlink()
    assert edgeq(*arguments)[0] == 0
    assert asked.read_text().split() == ["asked"]


@pytest.mark.native
def test_run_builds_anew_what_scores_something_else_now(edgeq, scored, tmp_path):
    arguments = ("run", scored, "--recipe", "fp32", "--device", "local", "--out", tmp_path / "out")
    for score, told in ((0.5, "exported"), (0.5, "unchanged"), (0.6, "scores something else now")):
        scored.with_name("score").write_text(str(score))
        code, _, err = edgeq(*arguments)
        assert (code, told in err) == (0, True), err
        manifest = json.loads((tmp_path / "out/artifacts/scored.fp32/manifest.json").read_text())
        assert manifest["accuracy"]["eager"] == {"top1": score}


@pytest.mark.native
def test_device_rung_is_measured_by_the_outputs_alone(edgeq, digits_int8):
    code, out, err = edgeq("accuracy", digits_int8.folder, "--device", "local", "--max-drop", "1pt", "--json")
    assert code == 0, err
    device = json.loads(out)["steps"][-1]
    host = digits_int8.manifest.accuracy.agreement["host"]
    assert (device["rung"], device["place"]) == ("device", "local")
    assert device["closeness"]["samples"] == host.samples == 360
    assert device["closeness"]["sqnr_db"] == pytest.approx(host.sqnr_db, abs=1.0)
    assert abs(device["lost"]["top1"]) <= 0.01


@pytest.mark.native
def test_limits_of_timing_do_not_hold_for_outputs_alone(edgeq, digits_int8, tmp_path):
    device = tmp_path / "strict.toml"
    device.write_text('schema = 1\nextends = "local"\n[limits]\ngovernor = "never heard of"\n')
    code, _, err = edgeq("accuracy", digits_int8.folder, "--device", device)
    assert code == 0, err
    code, _, err = edgeq("bench", digits_int8.folder, "--device", device, "--iterations", "1")
    assert code == 6
    assert "the governor" in err


def test_eager_mode_flow_stands_beside_with_its_time_or_says_why_not(edgeq):
    engine = torch.backends.quantized.engine
    code, out, _ = edgeq("accuracy", "digits", "--baseline", "eager", "--json")
    assert code == 0
    rows = {row["step"]["program"]: row for row in json.loads(out)["references"]}
    assert list(rows) == ["eager FP32", "digits.int8, .pte", *(f"eager mode, {name}" for name in METHODS)]
    for name, row in rows.items():
        # Under qnnpack this torch computes a quantized ReLU6 wrongly; the row shows it.
        assert row["step"]["metrics"]["top1"] > (0.97 if "qnnpack" not in name else 0)
        assert len(row["times"]) >= 5
        assert all(seconds > 0 for seconds in row["times"])
    static = rows["eager mode, static, x86"]["step"]["closeness"]
    assert 10 < static["sqnr_db"] < 60
    assert torch.backends.quantized.engine == engine


METHODS = ("quantize_dynamic", "static, qnnpack", "static, x86")


def test_eager_mode_flow_takes_a_recurrent_layer_only_dynamically():
    rows = {row.method: row for row in baseline_of(str(EXAMPLES / "digits_lstm.py"))}
    dynamic = rows["eager mode, quantize_dynamic"]
    assert dynamic.rung.metrics["top1"] > 0.95
    assert dynamic.rung.closeness.sqnr_db > 10
    assert dynamic.times


def test_program_that_takes_the_channels_last_is_given_them_so_beside_the_eager_flow():
    workload = make_workload(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), (1, 3, 6, 5))
    artifact = export(workload, extend_recipe("int8", name="last", channels_last=True))
    row = baseline_of(workload, artifact)[1]
    assert row.method == "net.last, .pte"
    assert row.rung.closeness == artifact.manifest.accuracy.agreement["host"]
    assert row.times


def baseline_of(workload, *artifacts):
    loaded = load_workload(workload) if isinstance(workload, str) else workload
    return run_baseline(loaded, artifacts, lambda _: None)


class Adding(nn.Module):
    """A sum that a quantized tensor cannot take part in."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(x) + x


def test_model_that_the_eager_mode_flow_cannot_take_has_a_reason_in_its_row():
    rows = {row.method: row for row in baseline_of(make_workload(Adding, (1, 1, 4, 4)))}
    assert rows["eager mode, quantize_dynamic"].rung.metrics == {
        "missing": "the model has no Linear, LSTM or GRU module"
    }
    static = rows["eager mode, static, qnnpack"]
    assert "the model cannot take it: NotImplementedError" in static.rung.metrics["missing"]
    assert static.times == ()


class Reused(nn.Module):
    """One activation in two places: fused into the first, it would be gone from the second."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.conv2 = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        return self.relu(self.conv2(self.relu(self.bn1(self.conv1(x)))))


def test_fusing_that_would_change_the_model_is_not_done():
    static = {row.method: row for row in baseline_of(make_workload(Reused, (1, 1, 8, 8)))}[
        "eager mode, static, qnnpack"
    ]
    assert static.rung.closeness.sqnr_db > 15
