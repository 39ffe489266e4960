"""A real search on a tiny network: killed in the middle, gone on with, and the recipe that comes out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from networks import export

from edgeq.artifact import load_artifact
from edgeq.compile.build import calibration_samples, first_samples
from edgeq.compile.diagnosis.study import judge, open_study
from edgeq.compile.quantization.bias_correction import CORRECTION_SAMPLES, correct_biases
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.recipe import extend_recipe, find_recipe
from edgeq.compile.recipe_file import load_recipe
from edgeq.compile.search.journal import JOURNAL, Journal, Tried
from edgeq.compile.search.trial import try_recipe
from edgeq.workload.loader import load_workload

WORKLOAD = str(Path(__file__).parent / "hurt_net.py")


def command(out, jobs):
    arguments = ["--max-drop", "5%", "--start", "int8-per-tensor", "--jobs", str(jobs), "--out", str(out)]
    return [sys.executable, "-m", "edgeq", "search", WORKLOAD, *arguments]


def processes_of(session):
    """The processes of a session that are still there and no zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state != "Z":
            found.append(stat.parent.name)
    return found


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a search in two processes, killed after its second trial, and its journal then."""
    out = tmp_path_factory.mktemp("search")
    process = subprocess.Popen(command(out, 2), stderr=subprocess.PIPE, text=True, start_new_session=True)
    said = 0
    for line in process.stderr:
        said += " trial " in line
        if said == 2:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while processes_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(process.pid) == []
    return out, (out / JOURNAL).read_bytes()


@pytest.fixture(scope="module")
def resumed(killed):
    out, _ = killed
    done = subprocess.run(command(out, 1), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_search_that_was_killed_goes_on_and_repeats_no_trial(killed, resumed):
    out, before = killed
    lines = (out / JOURNAL).read_bytes().splitlines()
    assert lines[: len(before.splitlines())] == before.splitlines()
    keys = [json.loads(line)["key"] for line in lines[1:]]
    assert len(keys) == len(set(keys))
    assert sum(json.loads(line)["type"] == "tried" for line in before.splitlines()) >= 2
    again = subprocess.run(command(out, 1), capture_output=True, text=True, check=True)
    assert again.stdout == resumed
    assert (out / JOURNAL).read_bytes().splitlines() == lines


def test_a_trial_finds_the_same_in_whatever_process_it_runs(killed, resumed):
    with Journal(killed[0] / JOURNAL) as journal:
        entries = [msgspec.json.decode(line) for line in killed[1].splitlines()[1:]]
        tried = next(
            journal.find(each["key"]) for each in entries if each.get("recipe", {}).get("name") != "fp32"
        )
    assert isinstance(tried, Tried)
    answer = try_recipe(WORKLOAD, tried.recipe, ())
    assert (answer.metrics, answer.closeness) == (tried.metrics, tried.closeness)


def test_the_recipe_that_is_written_keeps_the_accuracy_and_makes_the_same_program(killed, resumed):
    recipe = load_recipe(str(killed[0] / "best.toml"))
    assert f"Use {recipe.name}: close" in resumed
    artifact = export(load_workload(WORKLOAD), recipe)
    found = load_artifact(killed[0] / "artifacts" / f"hurt_net.{recipe.name}")
    assert artifact.info.sha256 == found.info.sha256
    accuracy = artifact.info.accuracy
    assert accuracy.host["close"] >= 0.95
    plain = load_artifact(killed[0] / "artifacts" / "hurt_net.int8-per-tensor")
    assert plain.info.accuracy.host["close"] < 0.95


def test_a_corrected_recipe_is_simulated_as_it_is_converted():
    recipe = extend_recipe(find_recipe("int8-per-tensor"), name="own", bias_correction=True)
    answer = try_recipe(WORKLOAD, recipe, ())
    study = open_study(load_workload(WORKLOAD), find_recipe("int8-per-tensor"))
    order = study.order
    converted = quantize_program(order.program, order.plan, calibration_samples(order), 8).module
    correct_biases(converted, order.program, order.plan, first_samples(order, CORRECTION_SAMPLES))
    assert judge(study, converted, evaluate=True).closeness == answer.closeness


def test_a_search_on_a_device_beyond_its_limits_says_so_and_exits_with_6(killed, resumed, tmp_path):
    device = tmp_path / "held.toml"
    device.write_text(
        f'schema = 1\nextends = "local"\ndescription = "this machine under a limit that it cannot keep"\n'
        f'work_folder = "{tmp_path}/work"\n[limits]\ngovernor = "none such"\n'
    )
    words = ["--device", str(device), "--store", str(tmp_path / "runs.sqlite")]
    done = subprocess.run(
        [*command(killed[0], 1), *words, "--json", str(tmp_path / "found.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert "hurt_net.int8-per-tensor is not valid: the governor" in done.stderr
    assert "what they cost is not known" in done.stderr
    options = json.loads((tmp_path / "found.json").read_text())["options"]
    assert all("missing" in each["cost"] for each in options)
    assert "Traceback" not in done.stderr


def test_a_search_that_finds_none_says_so_and_writes_the_nearest(tmp_path):
    arguments = ["--max-drop", "0%", "--trials", "1", "--jobs", "1", "--start", "int8-per-tensor"]
    done = subprocess.run(
        [sys.executable, "-m", "edgeq", "search", WORKLOAD, *arguments, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "No recipe met it" in done.stdout
    assert load_recipe(str(tmp_path / "best.toml")).name in done.stdout
    assert "Traceback" not in done.stderr
