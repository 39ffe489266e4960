import json

import pytest
from msgspec.structs import replace
from runs import DEVICE, hide_memory, make_run

from edgeq.errors import InputError
from edgeq.report.files import read_report, write_report
from edgeq.report.markdown import escape, render_markdown
from edgeq.report.sections import report_sections
from edgeq.report.text import render_text
from edgeq.results.records import Failure, RunWarning, Series


def _pair():
    return [make_run("fp32"), make_run("int8", latency=(100.0, 101.0, 102.0))]


def test_recipes_stand_side_by_side_with_the_ratio():
    text = render_text(report_sections(_pair()))
    line = next(line for line in text.splitlines() if line.startswith("instructions per inference"))
    assert line.split()[-5:] == ["202", "insn", "101", "insn", "0.5x"]


def test_an_emulated_device_says_so_and_shows_no_time():
    text = render_text(report_sections(_pair()))
    assert "emulated" in text
    assert "instruction clock" in text
    assert " ms" not in text
    assert "latency" not in text.lower()


def test_hardware_is_not_called_emulated():
    hardware = replace(DEVICE, kind="hardware", clock="wall", profile="raspberry-pi-5")
    series = (Series(name="latency", unit="s", phase="measured", values=(0.004,), source="test"),)
    text = render_text(report_sections([make_run(device=hardware, series=series)]))
    assert "4 ms" in text
    assert "emulated" not in text


def test_what_is_missing_says_why_and_is_never_zero():
    text = render_text(report_sections([hide_memory(make_run())]))
    line = next(line for line in text.splitlines() if line.startswith("peak RSS"))
    assert "not measured: hidden by the kernel" in line
    assert " 0" not in line


def test_left_out_operators_come_with_their_reason():
    assert "no keepdim" in render_text(report_sections([make_run()]))


def test_a_failed_run_is_shown_with_its_error():
    failure = Failure(
        stage="run", kind="RunnerError", message="InvalidProgram at load", hint="Export it again."
    )
    failed = make_run("int8", status="failed", error=failure, series=(), memory=None, outputs=None)
    text = render_text(report_sections([make_run(), failed]))
    assert "digits.int8 failed at run: InvalidProgram at load. Export it again." in text
    assert "not measured" in text


def test_a_run_on_a_device_that_was_not_reached_is_shown():
    failure = Failure(stage="connect", kind="DeviceUnreachable", message="no answer")
    run = make_run(
        status="failed", error=failure, device=None, series=(), memory=None, operators=(), outputs=None
    )
    assert "The device was not reached." in render_text(report_sections([run]))


def test_warnings_are_shown():
    warning = RunWarning(code="not-agreed", message="the last 3 differ by 2%")
    assert "the last 3 differ by 2%" in render_text(report_sections([make_run(warnings=(warning,))]))


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match="at least one run"):
        report_sections([])


def test_markdown_shows_hostile_names_as_they_are():
    run = make_run(name="<script>alert(1)</script>|x\n# y")
    document = render_markdown("edgeq on a|b", report_sections([run]))
    assert "<script>" not in document
    assert "\n# y" not in document
    assert r"\<script\>alert(1)\</script\>\|x \# y" in document


@pytest.mark.parametrize(("text", "shown"), [("a_b", r"a\_b"), ("  p10", "p10"), ("a\nb", "a b"), ("", "")])
def test_markdown_escapes(text, shown):
    assert escape(text) == shown


def test_files_come_back_as_they_were(tmp_path):
    runs = _pair()
    write_report(tmp_path, runs)
    assert list(read_report(tmp_path).runs) == runs
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["schema"] == 1
    assert document["runs"][0]["conditions"]["before"]["governor"] == {"missing": "no cpufreq"}
    assert (tmp_path / "report.md").read_text().startswith("# edgeq on virt-pi5\n")


def test_a_file_that_is_no_report_is_refused_with_the_field(tmp_path):
    (tmp_path / "report.json").write_text('{"schema": 1, "runs": [{"id": 3}]}')
    with pytest.raises(InputError, match=r"runs\[0\]"):
        read_report(tmp_path)


def test_a_missing_report_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_report(tmp_path / "none.json")


def test_a_failed_run_is_shown_and_not_compared():
    failure = Failure(stage="measure", kind="MeasurementError", message="outputs off")
    failed = make_run("int8", status="failed", error=failure, latency=(50.0, 50.0))
    line = next(x for x in render_text(report_sections([make_run(), failed])).splitlines() if "median" in x)
    assert "50 insn" in line
    assert not line.rstrip().endswith("x")


def test_name_that_commands_the_terminal_is_shown_and_not_obeyed():
    text = render_text(report_sections([make_run(name="a\x1b]0;title\x07b\rc")]))
    assert "a\ufffd]0;title\ufffdb\ufffdc" in text
    assert all(char.isprintable() or char == "\n" for char in text)
