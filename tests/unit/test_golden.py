"""Markdown, CSV and JSON of fixed runs, to the letter; `python tests/unit/test_golden.py` rewrites them."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from odd_runs import FAILED, NO_ACCURACY
from runs import hide_memory, make_run

from edgeq.report.csv import render_csv
from edgeq.report.markdown import render_markdown
from edgeq.report.sections import report_sections
from edgeq.results.records import Accuracy, Closeness, RunWarning, encode_report

FOLDER = Path(__file__).parents[1] / "fixtures" / "golden"


def fixed_runs():
    unknown = replace(make_run("int8-dynamic").artifact, accuracy=NO_ACCURACY, delegation=None, torch=None)
    agreement = {
        "converted": Closeness(
            samples=360, source="evaluate", sqnr_db=27.9, max_abs_error=1.25, top1_agreement=1.0
        ),
        "host": Closeness(missing="the outputs have other dtypes"),
    }
    lossy = replace(
        make_run("int8").artifact,
        accuracy=Accuracy(
            eager={"top1": 0.98},
            converted={"top1": 0.97},
            host={"top1": 0.985},
            device={"missing": "not run on a device yet"},
            samples=360,
            agreement=agreement,
        ),
    )
    return [
        make_run(not_measured={"power": "an emulated device draws no power of its own"}),
        make_run(
            "int8",
            artifact=lossy,
            latency=(100.0, 101.0, 102.0),
            warnings=(RunWarning(code="w", message="2% | apart"),),
        ),
        hide_memory(make_run("int8-dynamic", artifact=unknown, latency=(150.5,))),
        make_run("int8-per-tensor", **FAILED),
    ]


FORMATS = {
    "report.md": lambda runs: render_markdown("edgeq on virt-pi5", report_sections(runs)),
    "report.csv": render_csv,
    "report.json": lambda runs: encode_report(runs).decode(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_is_as_recorded(name):
    assert FORMATS[name](fixed_runs()) == (FOLDER / name).read_text()


if __name__ == "__main__":
    for name, render in FORMATS.items():
        (FOLDER / name).write_text(render(fixed_runs()))
