"""The built-in workload from end to end on the host: accuracy, layers, cache, recording, publishing."""

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from networks import make_workload
from torch import nn

from edgeq.agreement import Rung
from edgeq.artifact import load_artifact, read_samples
from edgeq.cache import cache_root
from edgeq.compile.evaluation.accuracy import evaluate_eager, record_evaluation, replay_evaluation
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.export import export_artifact, publish
from edgeq.errors import InputError
from edgeq.results.records import Closeness
from edgeq.workload.loader import load_workload

LAYERS = ["stem.0", *(f"blocks.{b}.{c}" for b in range(3) for c in (0, 3)), "head"]


def test_fp32_ladder_holds_on_every_rung_of_the_host(digits_fp32):
    accuracy = digits_fp32.manifest.accuracy
    assert accuracy.eager["top1"] >= 0.97
    assert accuracy.eager == accuracy.converted == accuracy.host
    assert "missing" in accuracy.device


def test_int8_ladder_stays_within_one_point(digits_fp32, digits_int8):
    eager = digits_fp32.manifest.accuracy.eager["top1"]
    accuracy = digits_int8.manifest.accuracy
    assert accuracy.eager["top1"] == eager
    assert abs(accuracy.converted["top1"] - eager) <= 0.01
    assert abs(accuracy.host["top1"] - eager) <= 0.01


def test_each_rung_of_the_host_is_set_beside_the_eager_model(digits_fp32, digits_int8):
    for artifact, least in ((digits_fp32, 100), (digits_int8, 20)):
        accuracy = artifact.manifest.accuracy
        assert accuracy.samples == 360
        assert set(accuracy.agreement) == {"converted", "host"}
        for closeness in accuracy.agreement.values():
            assert (closeness.samples, closeness.source) == (360, "evaluate")
            assert closeness.top1_agreement >= 0.99
            assert closeness.sqnr_db is None or closeness.sqnr_db > least
    assert digits_int8.manifest.accuracy.agreement["host"].max_abs_error > 0.01


def test_every_layer_is_int8_with_a_quarter_of_the_bytes(digits_fp32, digits_int8):
    plain, quantized = digits_fp32.manifest.layers, digits_int8.manifest.layers
    assert [layer.module for layer in quantized] == LAYERS == [layer.module for layer in plain]
    assert {(layer.asked, layer.got) for layer in quantized} == {("int8", "int8")}
    assert {(layer.asked, layer.got) for layer in plain} == {("fp32", "fp32")}
    assert [4 * layer.bytes for layer in quantized] == [layer.bytes for layer in plain]


def test_everything_is_delegated(digits_fp32, digits_int8):
    for artifact in (digits_fp32, digits_int8):
        delegation = artifact.manifest.delegation
        assert delegation.delegated == delegation.total > 0
        assert delegation.left_out == ()


def test_manifest_tells_where_the_ranges_came_from(digits_fp32, digits_int8):
    assert digits_fp32.manifest.calibration is None
    assert digits_int8.manifest.calibration.samples == 128
    assert len(digits_int8.manifest.calibration.sha256) == 64


def test_host_runtime_reproduces_the_reference(digits_int8):
    program = HostProgram(digits_int8.program, digits_int8.inputs)
    inputs = read_samples(digits_int8.folder / "inputs.safetensors")
    outputs = read_samples(digits_int8.folder / "outputs.safetensors")
    assert len(inputs) == len(outputs) == digits_int8.manifest.reference_samples == 8
    for row, expected in zip(inputs, outputs, strict=True):
        (got,) = program.run([torch.from_numpy(array) for array in row])
        # One step of the output's INT8 scale: the kernels round at other places than the reference does.
        assert np.abs(got.numpy() - expected[0]).max() <= np.diff(np.unique(expected[0])).min() * 1.01


def test_second_export_lowers_nothing(digits, digits_int8):
    code = (
        "import sys; from edgeq.workload.loader import load_workload; "
        "from edgeq.compile.export import export_artifact; "
        "folder, cached = export_artifact(load_workload('digits'), 'int8'); "
        "print(folder, cached, any(name.startswith('executorch') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(digits_int8.folder), "True", "False"]
    assert done.stderr == ""


def test_another_calibration_set_is_another_artifact(digits, digits_int8, monkeypatch):
    def fewer():
        return list(digits.calibration())[:100]

    def refuse(*_):
        raise InputError("it would be built")

    monkeypatch.setattr("edgeq.compile.build.build_artifact", refuse)
    assert export_artifact(digits, "int8")[1]
    with pytest.raises(InputError, match="it would be built"):
        export_artifact(dataclasses.replace(digits, calibration=fewer), "int8")


def test_replay_of_the_hosts_own_outputs_gives_the_hosts_accuracy(digits, digits_int8):
    recording = record_evaluation(digits)
    assert recording.metrics == digits_int8.manifest.accuracy.eager
    program = HostProgram(digits_int8.program, digits_int8.inputs)
    rows = [[torch.from_numpy(array) for array in row] for row in recording.inputs]
    outputs = [tuple(tensor.numpy() for tensor in program.run(row)) for row in rows]
    accuracy = digits_int8.manifest.accuracy
    assert replay_evaluation(digits, recording, outputs) == Rung(accuracy.host, accuracy.agreement["host"])
    assert "missing" in replay_evaluation(digits, recording, [*outputs, outputs[0]]).metrics
    wrong = replay_evaluation(digits, recording, [(-array,) for (array,) in outputs])
    assert wrong.metrics["top1"] < 0.5
    assert wrong.closeness.top1_agreement < 0.5
    assert "missing" in replay_evaluation(digits, recording, outputs[:10]).metrics


def test_evaluation_that_depends_on_the_answers_cannot_be_replayed():
    def evaluate(predict):
        first = predict(torch.zeros(1, 4))
        return {"sum": float(predict(first).sum())}

    workload = make_workload(lambda: nn.Linear(4, 4), (1, 4), evaluate=evaluate)
    recording = record_evaluation(workload)
    outputs = [(np.ones((1, 4), np.float32),), (np.ones((1, 4), np.float32),)]
    assert "other inputs" in replay_evaluation(workload, recording, outputs).metrics["missing"]


def test_evaluation_that_asks_about_nothing_has_no_accuracy_on_a_device():
    workload = make_workload(
        lambda: nn.Linear(4, 4), (1, 4), calibration=None, evaluate=lambda _: {"top1": 1.0}
    )
    recording = record_evaluation(workload)
    assert recording.source == "reference"
    replayed = replay_evaluation(workload, recording, recording.outputs)
    assert replayed.metrics == {"missing": "evaluate() asked about no input"}
    assert replayed.closeness == Closeness(samples=1, source="reference", max_abs_error=0, top1_agreement=1)


def test_random_evaluations_are_replayed_by_threads_at_once():
    def evaluate(predict):
        total = 0.0
        for _ in range(20):
            drawn = torch.randn(1, 4)
            time.sleep(0.002)  # another thread may draw here
            total += float(predict(drawn).sum())
        return {"sum": total}

    workload = make_workload(lambda: nn.Linear(4, 4), (1, 4), evaluate=evaluate)
    recording = record_evaluation(workload)
    outputs = [(np.ones((1, 4), np.float32),)] * len(recording.inputs)
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(replay_evaluation, workload, recording, outputs) for _ in range(3)]
        assert [future.result().metrics for future in futures] == [{"sum": 80.0}] * 3


def test_other_data_of_the_evaluation_make_the_artifact_anew_where_that_is_asked(tmp_path, monkeypatch):
    # In a cache of its own: the artifact that this leaves behind is not the one that it begins with.
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "score.txt").write_text("0.5")
    (tmp_path / "net.py").write_text(
        "import pathlib, torch\ndef model():\n    return torch.nn.Linear(4, 2)\n"
        "def example_inputs():\n    return (torch.ones(1, 4),)\n"
        "def evaluate(predict):\n"
        "    return {'top1': float(pathlib.Path(__file__).with_name('score.txt').read_text())}\n"
    )
    workload, told = load_workload(str(tmp_path / "net.py")), []
    folder, _ = export_artifact(workload, "fp32")
    assert export_artifact(workload, "fp32", scores=partial(evaluate_eager, workload)) == (folder, True)
    (tmp_path / "score.txt").write_text("0.6")
    again = export_artifact(workload, "fp32", announce=told.append, scores=partial(evaluate_eager, workload))
    assert again == (folder, False)
    assert load_artifact(folder).info.accuracy.eager == {"top1": 0.6}
    assert any("scores something else now" in line for line in told)


def test_another_workload_in_the_same_command_does_not_change_the_artifact(tmp_path):
    for name in ("alone", "other"):
        (tmp_path / f"{name}.py").write_text(
            "import torch\ndef model():\n    return torch.nn.Linear(4, 2)\n"
            "def example_inputs():\n    return (torch.ones(1, 4),)\n"
        )
    workload = load_workload(str(tmp_path / "alone.py"))
    folder, _ = export_artifact(workload, "fp32")
    load_workload(str(tmp_path / "other.py"))
    assert export_artifact(workload, "fp32") == (folder, True)


def test_published_artifact_is_whole_and_replaced_only_by_its_like(digits_int8, tmp_path):
    final = publish(digits_int8.folder, tmp_path)
    assert final == tmp_path / "digits.int8"
    assert load_artifact(final).manifest == digits_int8.manifest
    assert publish(digits_int8.folder, tmp_path) == final
    (final / "model.pte").write_bytes(b"damaged")
    assert load_artifact(publish(digits_int8.folder, tmp_path)).manifest == digits_int8.manifest
    assert [path.name for path in tmp_path.iterdir()] == ["digits.int8"]
    (final / "manifest.json").unlink()
    with pytest.raises(InputError, match="not an artifact"):
        publish(digits_int8.folder, tmp_path)


def test_two_cold_exports_give_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from edgeq.workload.loader import load_workload; "
        "from edgeq.compile.export import export_artifact; "
        f"print(export_artifact(load_workload({str(tmp_path / 'net.py')!r}), 'int8')[0])"
    )
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def model():\n    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(), "
        "nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4))\n"
        "def example_inputs():\n    return (torch.randn(1, 3, 8, 8),)\n"
        "def calibration():\n    return [example_inputs() for _ in range(4)]\n"
    )
    hashes = set()
    for seed in ("1", "2"):
        # Sets and dicts of strings come in another order in each of the processes.
        env = {**os.environ, "EDGEQ_CACHE": str(tmp_path / seed), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        artifact = load_artifact(Path(done.stdout.strip()))
        hashes.add(hashlib.sha256(artifact.program.read_bytes()).hexdigest())
        assert done.stderr == ""
    assert len(hashes) == 1


def test_manifest_survives_reading_and_writing(digits_int8):
    written = (digits_int8.folder / "manifest.json").read_bytes()
    assert msgspec.json.decode(written) == msgspec.json.decode(msgspec.json.encode(digits_int8.manifest))
    assert digits_int8.folder.is_relative_to(cache_root())
