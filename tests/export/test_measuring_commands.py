"""Rounds, sweeps and power as a user asks for them, on this machine."""

import json
import os
import subprocess
import sys

import pytest

PROFILE = """
schema = 1
extends = "local"
description = "this machine with a sensor of the test's own"
work_folder = "{folder}/work"
[[sensors]]
name = "meter"
quantity = "power"
site = "board"
unit = "mW"
documented = "tests"
source = {{ type = "command", argv = ["{program}"], format = "number" }}
"""
# A power that is never the same twice: 2 W and the last digits of the time in mW.
METER = "#!/bin/sh\necho 20$(date +%N | cut -c 1-2)\n"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edgeq")
    return {**os.environ, "EDGEQ_STORE": str(folder / "runs.sqlite"), "EDGEQ_CONFIG": str(folder)}


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A profile of this machine with a work folder of its own, so that it waits for no other test."""
    folder = tmp_path_factory.mktemp("device")
    meter = folder / "meter"
    meter.write_text(METER)
    meter.chmod(0o755)
    path = folder / "here.toml"
    path.write_text(PROFILE.format(folder=folder, program=meter))
    return path


def edgeq(environment, *arguments):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def folder_of(artifact):
    return artifact.program.parent


def test_rounds_give_an_answer_that_can_be_made_again_from_the_stored_runs(
    environment, device, digits_fp32, digits_int8, tmp_path
):
    artifacts = [folder_of(digits_fp32), folder_of(digits_int8)]
    report = tmp_path / "report.json"
    done = edgeq(
        environment, "bench", *artifacts, "--device", device, "--paired", "--rounds", 12, "--json", report
    )
    assert done.returncode == 0, done.stderr
    assert "confidence" in done.stdout or "cannot be told" in done.stdout
    runs = json.loads(report.read_text())["runs"]
    assert len({run["pairing"]["id"] for run in runs}) == 1
    assert [run["pairing"]["place"] for run in runs] == [0, 1]
    assert all(len(run["pairing"]["rounds"]) >= 10 for run in runs)
    for run in runs:
        (cores,) = [series for series in run["series"] if series["name"] == "cores"]
        assert len(cores["values"]) >= 10, "each round is sampled"
        assert run["outputs"]["within"]
    base, new = (run["id"] for run in runs)
    again = edgeq(environment, "compare", base, new)
    assert again.returncode in (0, 1), again.stderr
    assert "paired" in again.stdout


def test_sweep_recommends_a_setting_and_saves_it(environment, digits_int8):
    done = edgeq(
        environment, "sweep", folder_of(digits_int8), "--device", "local", "--threads", "1,2",
        "--rounds", 12, "--save", "swept",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Use " in done.stdout
    assert "1 thread" in done.stdout
    assert "2 threads" in done.stdout
    shown = edgeq(environment, "device", "show", "swept")
    assert "[run]" in shown.stdout
    again = edgeq(environment, "sweep", folder_of(digits_int8), "--device", "local", "--save", "swept")
    assert again.returncode == 2
    assert "already" in again.stderr


def test_sweep_of_one_setting_and_of_a_board_is_refused(environment, digits_int8):
    one = edgeq(environment, "sweep", folder_of(digits_int8), "--device", "local", "--threads", "1")
    assert one.returncode == 2
    assert "only one setting" in one.stderr
    board = edgeq(environment, "sweep", folder_of(digits_int8), "--device", "virt-pi5")
    assert board.returncode == 2
    assert "nothing to sweep" in board.stderr


def test_power_is_measured_in_a_pass_of_its_own_and_energy_is_given_or_refused_in_words(
    environment, device, digits_int8, tmp_path
):
    report = tmp_path / "report.json"
    done = edgeq(
        environment, "bench", folder_of(digits_int8), "--device", device,
        "--measure", "latency,power", "--json", report,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(report.read_text())["runs"]
    series = {(each["name"], each["phase"]): each for each in run["series"]}
    power = series["power", "sampled"]
    assert power["unit"] == "W"
    assert len(power["values"]) >= 20
    assert all(2.0 <= value <= 2.1 for value in power["values"])
    assert ("energy", "measured") in series or "energy" in run["not_measured"]
