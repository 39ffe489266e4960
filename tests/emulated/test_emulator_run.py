"""The main job where nothing but qemu-user is to be had: outputs and evaluation pass, nothing is timed."""

import json
import subprocess
import sys

import pytest

from edgeq.measure.gaps import OF_MEMORY, TIMED
from edgeq.measure.watch import WATCHED
from edgeq.results.records import decode_report

pytestmark = [pytest.mark.emulated, pytest.mark.export]

DEVICES = ("emulator-a53", "emulator-a76")


def edgeq(*arguments):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEQ_STORE", str(folder / "runs.sqlite"))
        devices = [word for name in DEVICES for word in ("--device", name)]
        answer = edgeq("run", "digits", "--recipe", "int8", *devices, "--out", folder / "out")
        assert answer.returncode == 0, answer.stderr
        yield folder / "out"


def read(out, device):
    (run,) = decode_report((out / device / "report.json").read_bytes()).runs
    return run


@pytest.mark.parametrize("device", DEVICES)
def test_outputs_are_the_references_and_the_evaluation_ran(out, device):
    run = read(out, device)
    assert run.status == "ok"
    assert run.device.arch == "aarch64"
    assert run.outputs.within
    assert run.artifact.accuracy.device["top1"] > 0.9


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_is_timed_and_each_gap_has_its_reason(out, device):
    run = read(out, device)
    assert run.device.clock == "none"
    assert run.series == ()
    assert {*TIMED, *OF_MEMORY, *WATCHED, "power", "energy"} == set(run.not_measured)
    assert "no clock" in run.operators.missing
    assert "QEMU" in run.memory.rss_peak.missing
    assert run.memory.arena > 0
    assert run.memory.heap_peak > 0
    assert "not the device's" in run.conditions.before["temperature"].missing


def test_pages_say_that_there_was_no_clock(out):
    for device in DEVICES:
        page = (out / device / "report.html").read_text()
        assert "emulated, no clock" in page
        assert "instruction clock" not in page
        assert "has no clock" in (out / device / "report.md").read_text()


def test_run_is_never_compared_with_a_timed_one(out, tmp_path):
    report = out / DEVICES[1] / "report.json"
    document = json.loads(report.read_text())
    document["runs"][0]["device"]["clock"] = "wall"
    (tmp_path / "timed.json").write_text(json.dumps(document))
    answer = edgeq("compare", report, tmp_path / "timed.json")
    assert answer.returncode == 2
    assert "clock (none -> wall)" in answer.stderr
    assert edgeq("compare", report, report).returncode == 0
