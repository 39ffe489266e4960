"""`edgeq runs` and `edgeq history` as a user meets them."""

import json
import subprocess
import sys

import pytest
from runs import make_run

from edgeq.report.files import write_report
from edgeq.results.records import encode_report
from edgeq.results.store import Store

SUBJECT = ("--artifact", "digits", "--recipe", "fp32", "--device", "virt-pi5")


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "store" / "runs.sqlite"
    monkeypatch.setenv("EDGEQ_STORE", str(path))
    return path


def edgeq(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "edgeq", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def done(*arguments):
    answer = edgeq(*arguments)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def refused(*arguments):
    answer = edgeq(*arguments)
    assert answer.returncode == 2, answer
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    return answer.stderr


def some_runs():
    return [
        make_run(
            id=f"{n}{'0' * 31}",
            created=f"2026-11-{n + 1:02}T00:00:00+00:00",
            latency=(1000.0 if n < 4 else 1200.0,),
        )
        for n in range(6)
    ]


def test_a_report_goes_in_is_listed_shown_and_comes_out_again(path, tmp_path):
    runs = some_runs()
    write_report(tmp_path / "report", runs)
    file = tmp_path / "report" / "report.json"
    assert done("runs", "import", file.parent, "--label", "branch=main") == f"{file}: 6 runs, 6 of them new\n"
    assert "6 runs, 0 of them new" in done("runs", "import", file)
    listed = done("runs", "list", "--artifact", "digits", "--branch", "main", "--limit", "2").splitlines()
    assert [line.split()[0] for line in listed[2:]] == ["500000000000", "400000000000"]
    assert "1.200 k insn" in listed[2]
    assert "main" in listed[2]
    shown = done("runs", "show", "3")
    assert runs[3].id in shown
    assert "branch: main" in shown
    assert json.loads(done("runs", "show", "3", "--json"))["id"] == runs[3].id
    done("runs", "export", "--out", tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == file.read_bytes()
    assert done("runs", "export", "2").encode() == encode_report([runs[2]])


def test_a_filter_that_nothing_matches_says_so(path):
    with Store(path) as store:
        store.add(make_run())
    assert "no such runs" in done("runs", "list", "--device", "none")


def test_mistakes_are_named(path, tmp_path):
    assert "there is no store" in refused("runs", "list")
    missing = tmp_path / "none.json"
    assert str(missing) in refused("runs", "import", missing)
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert f"{wrong}: not a report" in refused("runs", "import", wrong)
    assert "is no label" in refused("runs", "import", wrong, "--label", "main")
    with Store(path) as store:
        store.add(make_run())
    assert "no run 'abc'" in refused("runs", "show", "abc")
    assert "no runs of digits.int8 on virt-pi5" in refused(
        "history", "--artifact", "digits", "--recipe", "int8", "--device", "virt-pi5"
    )
    assert "accuracy.top1" in refused("history", *SUBJECT, "--quantity", "smell")
    path.write_bytes(b"no database, whatever its name says")
    assert str(path) in refused("runs", "list")


def test_a_history_shows_its_levels_and_says_how_they_were_found(path):
    with Store(path) as store:
        for run in some_runs():
            store.add(run, {"commit": f"c{run.id[0]}"})
    shown = done("history", *SUBJECT)
    assert "▁▁▁▁██" in shown
    (level,) = [line for line in shown.splitlines() if line.startswith("400000000000")]
    for word in ("c4", "2", "1.200 k insn", "+20.00%"):
        assert word in level
    assert "repeatable quantity" in shown
    document = json.loads(done("history", *SUBJECT, "--json"))
    assert [point["value"] for point in document["points"]] == [1000.0] * 4 + [1200.0] * 2
    assert [change["run"][0] for change in document["changes"]] == ["4"]
