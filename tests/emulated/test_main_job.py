"""The main job as a user types it: digits to an emulated board and back, by the command line alone."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from peers import await_end, children

from edgeq.results.kernels import ADDED
from edgeq.results.stats import summarize
from edgeq.results.store import Store

pytestmark = [pytest.mark.emulated, pytest.mark.export]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    """A store of the test's own."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("store") / "runs.sqlite"
        patch.setenv("EDGEQ_STORE", str(path))
        yield path


def edgeq(*arguments, timeout=900):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def out(tmp_path_factory, store):
    """Folder of `edgeq run digits` on both boards; its answer is kept beside the reports."""
    folder = tmp_path_factory.mktemp("main_job") / "digits"
    answer = edgeq("run", "digits", "--device", "virt-pi5", "--device", "virt-pi4", "--out", folder)
    assert answer.returncode == 0, answer.stderr
    (folder / "stdout").write_text(answer.stdout)
    return folder


def _runs(out, device):
    return {
        run["artifact"]["recipe"]: run
        for run in json.loads((out / device / "report.json").read_text())["runs"]
    }


def _latency(run):
    return next(s for s in run["series"] if s["name"] == "latency" and s["phase"] == "measured")


@pytest.mark.parametrize("device", ["virt-pi5", "virt-pi4"])
def test_each_board_gives_both_recipes_with_outputs_as_the_reference(out, device):
    runs = _runs(out, device)
    assert set(runs) == {"fp32", "int8"}
    for run in runs.values():
        assert run["status"] == "ok"
        assert run["outputs"]["within"] is True
        assert _latency(run)["unit"] == "insn"
        assert run["device"]["clock"] == "instructions"
        assert run["memory"]["rss_peak"] > run["memory"]["rss_start"] > 0


@pytest.mark.parametrize("device", ["virt-pi5", "virt-pi4"])
def test_the_device_itself_scores_within_a_point_of_the_eager_model(out, device):
    for run in _runs(out, device).values():
        accuracy = run["artifact"]["accuracy"]
        assert abs(accuracy["device"]["top1"] - accuracy["eager"]["top1"]) <= 0.01
        assert accuracy["eager"]["top1"] > 0.95


def test_the_cores_are_the_ones_that_were_asked_for(out):
    assert "A76" in _runs(out, "virt-pi5")["int8"]["device"]["cpu"]
    assert "A72" in _runs(out, "virt-pi4")["int8"]["device"]["cpu"]


def test_dot_product_instructions_make_int8_cheaper_on_the_newer_core(out):
    newer, older = (
        summarize(_latency(_runs(out, name)["int8"])["values"]).median for name in ("virt-pi5", "virt-pi4")
    )
    assert newer < 0.9 * older


def test_operators_of_a_traced_inference_carry_the_users_modules(out):
    for run in _runs(out, "virt-pi5").values():
        modules = {row["module"] for row in run["operators"] if row["module"]}
        assert "head" in modules
        # Those without weights, too, but for what ExecuTorch adds at the borders of the delegate.
        kernels = [row for row in run["operators"] if row["precision"] != "none"]
        assert {row["name"] for row in kernels if row["module"] is None} <= {"Transpose", "Convert"}
        assert all(row["shape"] for row in kernels if row["module"] is not None)
        assert all(row.get("unassigned", ADDED) == ADDED for row in kernels)
        traced = sum(row["total"] for row in run["operators"])
        untraced = summarize(_latency(run)["values"]).median
        assert untraced < traced < 2 * untraced


def test_reports_are_whole_and_name_no_time_of_an_emulated_device(out):
    text = (out / "virt-pi5" / "report.md").read_text()
    assert "emulated" in text
    assert "instruction clock" in text
    assert not [line for line in text.splitlines() if line.endswith((" ms |", " us |", " s |"))]
    assert "digits: fp32 beside int8" in (out / "stdout").read_text()
    assert (out / "comparison.html").read_text().startswith("<!doctype html>")
    assert "emulated" in (out / "virt-pi4" / "report.html").read_text()


def test_the_same_artifact_gives_the_same_count_in_another_boot(out, tmp_path):
    again = tmp_path / "again.json"
    artifact = out / "artifacts" / "digits.int8"
    answer = edgeq("bench", artifact, "--device", "virt-pi5", "--measure", "latency", "--json", again)
    assert answer.returncode == 0, answer.stderr
    (run,) = json.loads(again.read_text())["runs"]
    before = summarize(_latency(_runs(out, "virt-pi5")["int8"])["values"]).median
    assert summarize(_latency(run)["values"]).median == pytest.approx(before, rel=0.005)
    assert run["operators"] == {"missing": "not asked for"}


def test_a_program_without_a_manifest_is_benched_against_the_host_runtime(out, tmp_path):
    program = tmp_path / "foreign.pte"
    shutil.copy(out / "artifacts" / "digits.int8" / "model.pte", program)
    report = tmp_path / "report.json"
    answer = edgeq("bench", program, "--device", "virt-pi5", "--json", report)
    assert answer.returncode == 0, answer.stderr
    (run,) = json.loads(report.read_text())["runs"]
    assert run["artifact"]["name"] == "foreign"
    assert run["outputs"]["within"] is True
    assert run["outputs"]["samples"] == 2


def test_every_run_is_in_the_store_with_its_labels(out, store):
    answer = edgeq(
        "bench", out / "artifacts" / "digits.fp32", "--device", "virt-pi5", "--label", "branch=here"
    )
    assert answer.returncode == 0, answer.stderr
    with Store(store) as runs:
        (run,) = runs.find(branch="here")
        assert run.artifact.recipe == "fp32"
        assert {entry.device for entry in runs.entries()} == {"virt-pi4", "virt-pi5"}


def test_wrong_reference_outputs_fail_the_run_and_keep_its_numbers(out, tmp_path):
    """The check is real: with the reference of another network's outputs the run is not usable (exit 6)."""
    import numpy as np

    from edgeq.artifact import MANIFEST, OUTPUTS, read_samples, write_samples
    from edgeq.cache import file_sha256

    wrong = tmp_path / "digits.int8"
    shutil.copytree(out / "artifacts" / "digits.int8", wrong)
    samples = read_samples(wrong / OUTPUTS)
    write_samples(wrong / OUTPUTS, [tuple(np.roll(array, 1, axis=-1) for array in row) for row in samples])
    manifest = json.loads((wrong / MANIFEST).read_text())
    manifest["reference_sha256"][OUTPUTS] = file_sha256(wrong / OUTPUTS)
    (wrong / MANIFEST).write_text(json.dumps(manifest))
    answer = edgeq("bench", wrong, "--device", "virt-pi5", "--out", tmp_path / "out")
    assert answer.returncode == 6
    assert "outputs are not the reference's" in answer.stderr
    run = _runs(tmp_path / "out", "virt-pi5")["int8"]
    assert run["status"] == "failed"
    assert run["outputs"]["within"] is False
    assert len(_latency(run)["values"]) >= 2


def test_one_device_that_cannot_be_used_costs_the_other_nothing(out, tmp_path):
    profile = tmp_path / "lost.toml"
    key = tmp_path / "no-such-key"
    profile.write_text(
        f'schema = 1\ndescription = "x"\n[link]\ntype = "ssh"\nhost = "127.0.0.1"\nport = 1\nkey = "{key}"\n'
    )
    artifact = out / "artifacts" / "digits.fp32"
    answer = edgeq("bench", artifact, "--device", profile, "--device", "virt-pi5", "--out", tmp_path / "out")
    assert answer.returncode == 2
    assert "no-such-key" in answer.stderr
    assert _runs(tmp_path / "out", "virt-pi5")["fp32"]["status"] == "ok"


def test_a_report_that_cannot_be_written_is_told_before_anything_boots(out):
    answer = edgeq("bench", out / "artifacts" / "digits.fp32", "--device", "virt-pi5", "--out", "/proc/edgeq")
    assert answer.returncode == 2
    assert "/proc/edgeq" in answer.stderr
    assert "boot" not in answer.stderr


def test_a_damaged_program_is_refused_before_anything_boots(out, tmp_path):
    damaged = tmp_path / "digits.int8"
    shutil.copytree(out / "artifacts" / "digits.int8", damaged)
    (damaged / "model.pte").write_bytes((damaged / "model.pte").read_bytes()[:-100])
    started = time.monotonic()
    answer = edgeq("bench", damaged, "--device", "virt-pi5")
    assert answer.returncode == 2
    assert "differs from the hash" in answer.stderr
    assert "boot" not in answer.stderr
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_no_machine_running(out, number):
    artifact = out / "artifacts" / "digits.fp32"
    command = [
        sys.executable,
        "-m",
        "edgeq",
        "bench",
        artifact,
        "--device",
        "virt-pi5",
        "--iterations",
        "100000",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "measuring" in line:
            break
    machines = [pid for pid in children(process.pid) if _is_qemu(pid)]
    assert machines, seen
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in process.stderr.read()
    assert all(await_end(pid) for pid in machines)


def _is_qemu(pid):
    from pathlib import Path

    return b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes()
