"""The command line as a user meets it: exit codes, messages, streams; each command is its own process."""

import json
import subprocess
import sys

import pytest
from runs import make_run

from edgeq.report.files import write_report
from edgeq.results.records import Failure


def edgeq(*arguments, env=None):
    return subprocess.run(
        [sys.executable, "-m", "edgeq", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
    )


def _refused(answer, *words):
    assert answer.returncode == 2, answer
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in answer.stderr
    return answer.stderr


def test_help_lists_every_command_and_the_exit_codes():
    answer = edgeq("--help")
    assert answer.returncode == 0
    for word in ("run", "export", "bench", "report", "inspect", "device", "doctor", "Exit codes"):
        assert word in answer.stdout


@pytest.mark.parametrize("command", ["run", "export", "bench", "report", "inspect", "device", "doctor"])
def test_each_command_has_help(command):
    answer = edgeq(command, "--help")
    assert answer.returncode == 0
    assert "Usage:" in answer.stdout


def test_an_unknown_command_is_a_wrong_input():
    _refused(edgeq("frobnicate"), "No such command")


def test_an_unknown_device_lists_the_devices(tmp_path):
    program = tmp_path / "model.pte"
    program.write_bytes(b"x")
    _refused(edgeq("bench", program, "--device", "virt-pi6"), "'virt-pi6'", "virt-pi4", "virt-pi5")


def test_an_unknown_quantity_lists_the_quantities(tmp_path):
    program = tmp_path / "model.pte"
    program.write_bytes(b"x")
    answer = edgeq("bench", program, "--device", "virt-pi5", "--measure", "latency,smell")
    _refused(answer, "'smell'", "latency", "memory", "operators", "outputs")


def test_more_threads_than_an_instruction_clock_allows_are_refused_before_anything_is_made(tmp_path):
    program = tmp_path / "model.pte"
    program.write_bytes(b"x")
    _refused(edgeq("bench", program, "--device", "virt-pi5", "--threads", "2"), "one core", "--threads")


def test_an_artifact_that_is_missing_says_how_to_make_one(tmp_path):
    _refused(edgeq("bench", tmp_path / "none", "--device", "virt-pi5"), "no artifact", "edgeq export")


def test_a_profile_with_an_unknown_key_names_file_and_key(tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text('schema = 1\ndescription = "x"\ncolour = "red"\n[link]\ntype = "local"\n')
    _refused(edgeq("device", "show", profile), "mine.toml", "colour")


def test_a_profile_with_a_wrong_type_names_file_and_key(tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text('schema = 1\ndescription = "x"\n[link]\ntype = "ssh"\nhost = "h"\nport = "22"\n')
    _refused(edgeq("device", "show", profile), "mine.toml", "port")


@pytest.mark.parametrize("name", ["virt-pi5", "raspberry-pi-zero-2w", "local"])
def test_a_profile_survives_show(name, tmp_path):
    shown = edgeq("device", "show", name).stdout
    again = tmp_path / "copy.toml"
    again.write_text(shown)
    assert edgeq("device", "show", again).stdout == shown


def test_an_unknown_recipe_lists_the_recipes_before_the_workload_is_touched():
    _refused(edgeq("export", "no/such/file.py", "--recipe", "int3"), "int3", "fp32", "int8-dynamic")


def test_report_prints_text_to_stdout_and_nothing_else(tmp_path):
    write_report(tmp_path, [make_run()])
    answer = edgeq("report", tmp_path)
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert "instructions per inference (emulated)" in answer.stdout


def test_report_json_is_the_whole_document(tmp_path):
    write_report(tmp_path, [make_run()])
    answer = edgeq("report", tmp_path, "--format", "json")
    assert json.loads(answer.stdout) == json.loads((tmp_path / "report.json").read_text())


def test_report_writes_a_file(tmp_path):
    write_report(tmp_path, [make_run()])
    target = tmp_path / "deep" / "summary.md"
    assert edgeq("report", tmp_path, "--format", "markdown", "--out", target).returncode == 0
    assert target.read_text() == (tmp_path / "report.md").read_text()


def test_a_damaged_report_names_the_field(tmp_path):
    (tmp_path / "report.json").write_text('{"schema": 1, "runs": 3}')
    _refused(edgeq("report", tmp_path), "runs")


def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    write_report(
        tmp_path, [make_run(error=Failure(stage="s", kind="k", message="m" * 200_000), status="failed")]
    )
    command = f"{sys.executable} -m edgeq report {tmp_path} | head -c 10; exit ${{PIPESTATUS[0]}}"
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer
    assert answer.stderr == ""


def test_doctor_names_what_is_missing_and_the_remedy():
    answer = edgeq("doctor", env={"PATH": "/nonexistent", "HOME": "/nonexistent"})
    assert answer.returncode == 1
    assert "missing" in answer.stdout
    assert "apt-get install --no-install-recommends qemu-system-arm" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_two_devices_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pi.toml").write_text('schema = 1\ndescription = "x"\n[link]\ntype = "local"\n')
    devices = ("--device", tmp_path / "a/pi.toml", "--device", tmp_path / "b/pi.toml")
    _refused(edgeq("bench", tmp_path, *devices), "two devices are called pi", "rename")


def test_cores_that_are_no_numbers_are_refused(tmp_path):
    for cores in ("-1", "0,x"):
        _refused(
            edgeq("bench", tmp_path, "--device", "virt-pi5", f"--cpus={cores}"), "not a list of core numbers"
        )


def test_a_search_without_an_evaluation_or_a_device_for_its_bound_is_refused_at_once(tmp_path):
    workload = tmp_path / "net.py"
    workload.write_text("def model(): ...\ndef example_inputs(): ...\n")
    _refused(edgeq("search", workload, "--max-drop", "1%"), "'net' has no evaluate()", "predict")
    workload.write_text(workload.read_text() + "def evaluate(predict): ...\n")
    _refused(edgeq("search", workload, "--max-drop", "1%", "--max-slower", "1.3"), "--device")
    _refused(edgeq("search", workload, "--max-drop", "one"), "--max-drop 'one'", "1%")
