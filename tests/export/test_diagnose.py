"""`edgeq diagnose`: the planted culprit by name, a remedy that a real export confirms, refusals."""

import dataclasses
import json
import tomllib

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from networks import export, make_workload, residual_net, sqnr_db

from edgeq.cli.diagnose import diagnose as diagnose_command
from edgeq.compile.diagnosis.diagnose import diagnose_workload
from edgeq.compile.diagnosis.remedy import Wish
from edgeq.compile.diagnosis.study import judge, open_study, simulate
from edgeq.compile.evaluation.accuracy import answer_with
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.recipe import find_recipe
from edgeq.compile.recipe_file import load_recipe
from edgeq.compile.recipe_text import encode_extension
from edgeq.compile.subject import open_subject
from edgeq.errors import GateFailed, InputError, WorkloadError
from edgeq.report.diagnosis import diagnosis_sections
from edgeq.report.text import render_text
from edgeq.results.diagnosis.document import Diagnosis, encode_diagnosis

SAMPLES = 8


def silent_channel():
    return (torch.randn(1, 3, 6, 6) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1),)


@pytest.fixture(scope="module")
def workload():
    return make_workload(residual_net, inputs=silent_channel, samples=SAMPLES)


@pytest.fixture(scope="module")
def diagnosis(workload):
    return diagnose_workload(workload, find_recipe("int8-per-tensor"), Wish(worst=1))


def test_the_planted_layer_comes_first_with_the_override_that_leaves_it_out(diagnosis):
    worst = diagnosis.layers[0]
    assert (worst.module, worst.kind) == ("wide", "conv2d")
    assert diagnosis.remedy.layers == ("wide",)
    assert diagnosis.remedy.overrides == ({"module": "wide", "precision": "fp32"},)
    assert diagnosis.remedy.trial == worst.left_out
    assert diagnosis.remedy.share == worst.share
    text = render_text(diagnosis_sections(diagnosis))
    assert "gain\n" in text.replace(" ", "")
    assert f"{diagnosis.gain_db(worst):+.1f} dB" in text


def test_a_real_export_by_the_written_recipe_is_as_close_as_was_predicted(tmp_path, workload, diagnosis):
    path = tmp_path / "rescued.toml"
    path.write_bytes(encode_extension("int8-per-tensor", "a test", diagnosis.remedy.overrides))
    artifact = export(workload, load_recipe(str(path)))
    assert {layer.module: layer.got for layer in artifact.manifest.layers}["wide"] == "fp32"
    subject, host = open_subject(workload), HostProgram(artifact.program, artifact.inputs)
    eager = answer_with(subject.module, subject)
    rows = [subject.flatten_inputs(sample) for sample in workload.calibration()]
    expected, got = (
        np.concatenate([answer(row)[0].detach().numpy().ravel() for row in rows])
        for answer in (eager, host.run)
    )
    predicted = diagnosis.remedy.trial.sqnr_db
    assert predicted > diagnosis.whole.sqnr_db + 3
    assert sqnr_db(expected, got) == pytest.approx(predicted, abs=0.5)


def test_a_target_is_reached_with_the_fewest_layers_or_said_to_be_out_of_reach(workload, diagnosis):
    aim = diagnosis.whole.sqnr_db + 1
    near = diagnose_workload(workload, find_recipe("int8-per-tensor"), Wish(target_db=aim), trials=0)
    assert near.remedy.trial.sqnr_db >= aim
    assert near.trials[0] == 0
    far = diagnose_workload(workload, find_recipe("int8-per-tensor"), Wish(target_db=900), trials=0)
    assert "only fp32 reaches 900 dB" in far.no_remedy
    done = diagnose_workload(workload, find_recipe("int8-per-tensor"), Wish(target_db=1), trials=0)
    assert "reaches 1 dB as it is" in done.no_remedy


def test_a_workload_without_typical_samples_or_without_evaluate_is_refused(workload):
    bare = make_workload(residual_net, inputs=silent_channel, calibration=None)
    with pytest.raises(WorkloadError, match="brings no calibration data"):
        diagnose_workload(bare, find_recipe("int8-dynamic"), Wish())
    with pytest.raises(WorkloadError, match=r"brings no evaluate\(\)"):
        diagnose_workload(workload, find_recipe("int8"), Wish(), evaluate=True)


def test_a_large_network_is_judged_on_fewer_inputs_unless_a_number_is_given(monkeypatch, workload, diagnosis):
    assert diagnosis.inputs == SAMPLES
    monkeypatch.setattr("edgeq.compile.diagnosis.diagnose.LARGE_MACS", 1000)
    few = diagnose_workload(workload, find_recipe("int8-dynamic"), Wish(), trials=0)
    given = diagnose_workload(workload, find_recipe("int8-dynamic"), Wish(), trials=0, samples=4)
    assert (few.inputs, few.whole.closeness.samples) == (SAMPLES // 4, SAMPLES // 4)
    assert given.inputs == 4


SOURCE = """
import torch
from torch import nn

def model():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    with torch.no_grad():
        net[2].weight[0] *= 50
    return net

def example_inputs():
    return (torch.randn(1, 4),)

def calibration():
    return (example_inputs() for _ in range(8))
"""


def run(*arguments):
    return CliRunner().invoke(diagnose_command, [*map(str, arguments), "-q"])


def test_the_command_writes_a_recipe_that_extends_the_one_asked_for(tmp_path):
    model, own, new = tmp_path / "m.py", tmp_path / "own.toml", tmp_path / "new" / "better.toml"
    model.write_text(SOURCE)
    own.write_text('schema = 1\nextends = "int8-per-tensor"\nobserver = "mse"\n')
    result = run(model, "--recipe", own, "--worst", 1, "--write-recipe", new, "--out", tmp_path / "d")
    assert result.exit_code == 0, result.output
    assert '[[overrides]]\nmodule = "2"\nprecision = "fp32"' in result.stdout
    assert tomllib.loads(new.read_text())["extends"] == "../own.toml"
    written = load_recipe(str(new))
    assert (written.observer.bins, written.overrides[-1].module) == (2048, "2")
    document = json.loads((tmp_path / "d" / "diagnosis.json").read_text())
    assert document["layers"][0]["module"] == "2"
    again = run(model, "--recipe", new, "--json", "--trials", 0)
    assert json.loads(again.stdout)["recipe"] == "better"
    assert json.loads(again.stdout)["no_remedy"] == "no layer was left out"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--write-recipe", "x.txt"], InputError, "ends in .toml"),
        (["--write-recipe", "int8.toml"], InputError, "name of a built-in recipe"),
        (["--write-recipe", __file__], InputError, "ends in .toml"),
        (["--worst", "1", "--target-db", "9"], InputError, "cannot both"),
        (["--recipe", "fp32"], InputError, "quantizes nothing"),
        (["--recipe", "int8-qat"], InputError, "trains the model"),
        (["--trials", "0", "--target-db", "900"], GateFailed, "only fp32 reaches 900 dB"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(SOURCE)
    result = run("m.py", *arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".toml") == []


def test_no_inputs_are_refused(tmp_path):
    assert run(tmp_path / "m.py", "--inputs", 0).exit_code == 2


def test_ranges_from_fewer_samples_are_what_a_calibration_on_these_gives(workload, diagnosis):
    assert [each.samples for each in diagnosis.counts] == [1, 2, 4]
    assert diagnosis.calibration_samples == SAMPLES
    study = open_study(workload, find_recipe("int8-per-tensor"))
    two = [tuple(leaves) for leaves in study.inputs[:2]]
    fewer = open_study(dataclasses.replace(workload, calibration=lambda: two), study.recipe)
    judged = dataclasses.replace(study, ranges=fewer.ranges)
    assert diagnosis.counts[1].trial == judge(judged, simulate(judged), evaluate=False)
    assert diagnosis.counts[1].trial != diagnosis.whole
    assert "Calibrated on fewer samples" in render_text(diagnosis_sections(diagnosis))


def test_a_document_is_read_back_as_it_was(diagnosis):
    written = encode_diagnosis(diagnosis)
    assert encode_diagnosis(msgspec.json.decode(written, type=Diagnosis)) == written
