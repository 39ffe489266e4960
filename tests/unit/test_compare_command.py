"""`edgeq compare` as a user or a CI machine meets it: sources, exit codes, what is written where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from runs import hide_memory, make_run

from edgeq.report.files import write_report
from edgeq.results.records import Failure
from edgeq.results.store import Store


def edgeq(*arguments, env=None):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)


def failed(stage="outputs", **changes):
    error = Failure(stage=stage, kind="MeasurementError", message="outputs are off")
    return make_run(status="failed", error=error, **changes)


@pytest.fixture
def reports(tmp_path):
    write_report(tmp_path / "base" / "virt-pi5", [make_run(), make_run("int8")])
    write_report(tmp_path / "same" / "virt-pi5", [make_run(), make_run("int8")])
    write_report(tmp_path / "worse", [make_run(latency=(400.0,)), make_run("int8")])
    write_report(tmp_path / "less", [hide_memory(make_run())])
    return tmp_path


def test_the_gate_opens_when_nothing_is_worse(reports):
    answer = edgeq("compare", reports / "base", reports / "same" / "virt-pi5" / "report.json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "No regression: 2 pairs compared." in answer.stdout


def test_the_gate_shuts_on_a_regression_and_still_writes_everything(reports):
    comment, truth = reports / "comment.md", reports / "truth.json"
    answer = edgeq(
        "compare",
        reports / "base",
        reports / "worse",
        "--format",
        "markdown",
        "--out",
        comment,
        "--json",
        truth,
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "error: Regression: digits.fp32 on virt-pi5: instructions +98.0% (limit 1%)" in answer.stderr
    assert comment.read_text().startswith("**edgeq: Regression")
    assert json.loads(truth.read_text())["outcome"] == "regressed"


def test_the_gate_takes_limits_from_the_command_line(reports):
    answer = edgeq("compare", reports / "base", reports / "worse", "--max-regression", "latency=99%")
    assert answer.returncode == 0


def test_what_is_not_measured_fails_only_when_it_is_required(reports):
    assert edgeq("compare", reports / "base", reports / "less").returncode == 0
    answer = edgeq("compare", reports / "base", reports / "less", "--require")
    assert answer.returncode == 1
    assert "digits.fp32 on virt-pi5: rss_peak" in answer.stderr
    assert "digits.int8 on virt-pi5: not measured at all" in answer.stderr


@pytest.mark.parametrize(
    ("new", "word"),
    [("none.json", "there is no"), ("", "no report.json"), ("base/virt-pi5/report.md", "no report")],
)
def test_a_side_that_is_no_report_is_refused(reports, new, word):
    (reports / "empty").mkdir()
    answer = edgeq("compare", reports / "base", reports / (new or "empty"))
    assert answer.returncode == 2
    assert word in answer.stderr
    assert "Traceback" not in answer.stderr


def test_json_goes_to_stdout_when_asked(reports):
    answer = edgeq("compare", reports / "base", reports / "same", "--format", "json")
    assert json.loads(answer.stdout)["outcome"] == "passed"


@pytest.fixture
def store(tmp_path):
    """A store with a good, a worse and a failed run of `main`, oldest first, and one of another branch."""
    path = tmp_path / "runs.sqlite"
    runs = [
        ("a1", "main", make_run(latency=(100_000.0,))),
        ("a2", "main", make_run(latency=(110_000.0,))),
        ("b3", "main", failed()),
        ("b4", "other", make_run(latency=(300_000.0,))),
    ]
    with Store(path) as opened:
        for hour, (run_id, branch, run) in enumerate(runs):
            opened.add(replace(run, id=run_id, created=f"2026-11-23T1{hour}:00:00+00:00"), {"branch": branch})
    return os.environ | {"EDGEQ_STORE": str(path)}


def test_runs_of_the_store_are_compared_by_id_or_its_beginning(store):
    assert "instructions +10.0%" in edgeq("compare", "a1", "a2", env=store).stderr
    answer = edgeq("compare", "a1", "b4", "--max-regression", "latency=300%", env=store)
    assert answer.returncode == 0, answer.stderr
    several = edgeq("compare", "a", "b4", env=store)
    assert (several.returncode, "several runs" in several.stderr) == (2, True)


def test_latest_of_a_branch_is_its_newest_good_run_as_base(store, tmp_path):
    write_report(tmp_path / "new", [make_run(latency=(121_000.0,)), make_run("int8")])
    answer = edgeq("compare", "latest:main", tmp_path / "new", env=store)
    assert answer.returncode == 1
    assert "instructions +10.0%" in answer.stderr
    assert "digits.int8 on virt-pi5" in answer.stdout


def test_latest_of_a_branch_is_its_newest_run_as_new_failed_or_not(store):
    assert "status (failed at outputs" in edgeq("compare", "a1", "latest:main", env=store).stderr
    between = edgeq("compare", "latest:main", "latest:other", env=store)
    assert "instructions +172.7%" in between.stderr


def test_a_run_of_the_branch_that_is_gone_fails_only_when_it_is_required(store, tmp_path):
    with Store(Path(store["EDGEQ_STORE"])) as opened:
        opened.add(make_run("int8", id="a5"), {"branch": "main"})
    write_report(tmp_path / "new", [make_run(latency=(110_000.0,))])
    write_report(tmp_path / "whole", [make_run(latency=(110_000.0,)), make_run("int8")])
    assert edgeq("compare", "latest:main", tmp_path / "new", env=store).returncode == 0
    answer = edgeq("compare", "latest:main", tmp_path / "new", "--require", env=store)
    assert answer.returncode == 1
    assert "digits.int8 on virt-pi5: not measured at all" in answer.stderr
    whole = edgeq("compare", "latest:main", tmp_path / "whole", "--require", env=store)
    assert whole.returncode == 0, whole.stderr


def test_latest_of_a_branch_as_base_is_no_run_that_is_not_valid(store, tmp_path):
    throttled = make_run(latency=(200_000.0,), invalid=("throttled for 4 s",))
    with Store(Path(store["EDGEQ_STORE"])) as opened:
        for run_id, branch in (("a6", "main"), ("a7", "hot")):
            later = replace(throttled, id=run_id, created="2026-11-23T19:00:00+00:00")
            opened.add(later, {"branch": branch})
    write_report(tmp_path / "new", [make_run(latency=(110_000.0,))])
    answer = edgeq("compare", "latest:main", tmp_path / "new", env=store)
    assert answer.returncode == 0, answer.stderr
    none = edgeq("compare", "latest:hot", tmp_path / "new", env=store)
    assert (none.returncode, "'hot' has no good run of digits.fp32" in none.stderr) == (2, True)


def test_a_branch_without_runs_is_refused_and_a_store_that_is_not_there_too(store, tmp_path):
    write_report(tmp_path / "new", [make_run()])
    answer = edgeq("compare", "latest:none", tmp_path / "new", env=store)
    assert (answer.returncode, "'none' has no good run" in answer.stderr) == (2, True)
    nowhere = os.environ | {"EDGEQ_STORE": str(tmp_path / "nowhere.sqlite")}
    for base in ("latest:main", "0123"):
        answer = edgeq("compare", base, tmp_path / "new", env=nowhere)
        assert (answer.returncode, "Traceback" in answer.stderr) == (2, False)
