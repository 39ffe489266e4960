"""The gate on a real change: one layer left in FP32 is caught on the board, and named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.emulated, pytest.mark.export]

LAYER = "blocks.1.3"


def edgeq(*arguments):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def baseline(folder):
    """The baseline of digits.int8 on virt-pi5, measured once."""
    exported = edgeq("export", "digits", "--recipe", "int8", "--out", folder / "good")
    assert exported.returncode == 0, exported.stderr
    _bench(folder / "good" / "digits.int8", folder / "before")
    file = folder / "baseline.json"
    written = edgeq("baseline", folder / "before", "--out", file)
    assert written.returncode == 0, written.stderr
    return file


@pytest.fixture(scope="module")
def refusal(folder):
    """What the export says to a layer that is left out; the artifact is made all the same."""
    made = subprocess.run(
        [sys.executable, Path(__file__).parent / "mixed_precision.py", LAYER, folder / "bad"],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"EDGEQ_CACHE": str(folder / "cache")},
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def _bench(artifact, out):
    answer = edgeq("bench", artifact, "--device", "virt-pi5", "--out", out)
    assert answer.returncode == 0, answer.stderr


def test_the_export_itself_refuses_to_leave_the_layer_out(refusal):
    assert "leaves 1 of the layers" in refusal
    assert LAYER in refusal


def test_the_same_artifact_in_another_boot_passes_the_gate(baseline, folder):
    _bench(folder / "good" / "digits.int8", folder / "again")
    answer = edgeq("compare", baseline, folder / "again")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "No regression: 1 pair compared." in answer.stdout


def test_one_layer_left_in_fp32_fails_the_gate_and_is_named(baseline, refusal, folder):
    _bench(folder / "bad" / "digits.int8", folder / "after")
    truth = folder / "comparison.json"
    answer = edgeq("compare", baseline, folder / "after", "--json", truth)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "instructions +" in answer.stderr
    assert f"most of all {LAYER} +" in answer.stderr
    assert "int8 -> fp32" in answer.stderr
    (pair,) = json.loads(truth.read_text())["pairs"]
    changed = {blame["name"] for blame in pair["blame"] if "int8 -> fp32" in blame["notes"]}
    assert changed == {LAYER}
    dearest = max(pair["blame"], key=lambda blame: blame["delta"])
    assert dearest["module"] == LAYER
