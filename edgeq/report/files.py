"""The report of one device on disk: `report.json` (the whole truth) and `report.md`, both written whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgeq.cache import write_atomic
from edgeq.errors import InputError
from edgeq.graph import ProgramGraph
from edgeq.report.markdown import render_markdown
from edgeq.report.sections import report_sections
from edgeq.results.records import Report, Run, decode_report, encode_report

JSON, MARKDOWN, HTML, COMPARISON = "report.json", "report.md", "report.html", "comparison.html"


def write_report(folder: Path, runs: Sequence[Run]) -> None:
    """Write both files into `folder`, which is made when missing."""
    profile = next((run.device.profile for run in runs if run.device is not None), folder.name)
    write_atomic(folder / JSON, encode_report(runs))
    write_atomic(folder / MARKDOWN, render_markdown(f"edgeq on {profile}", report_sections(runs)).encode())


def write_pages(
    folder: Path, runs: Mapping[str, Sequence[Run]], graphs: Mapping[str, ProgramGraph]
) -> list[Path]:
    """Write the HTML page of each device (runs by its name) below `folder`, and one that compares several.

    `graphs` are those of the programs, by their SHA-256.

    Returns:
        the pages, the comparison last.
    """
    from edgeq.report.html.page import write_html  # matplotlib takes a second to import

    pages = {folder / name / HTML: list(each) for name, each in runs.items() if each}
    if len(pages) > 1:
        pages[folder / COMPARISON] = [run for each in pages.values() for run in each]
    for path, each in pages.items():
        write_html(path, each, graphs)
    return list(pages)


def read_report(path: Path) -> Report:
    """Read `report.json`, or the one in folder `path`.

    Raises:
        InputError: missing, or not a report; the wrong field is named.
    """
    file = path / JSON if path.is_dir() else path
    try:
        return decode_report(file.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{file} is no report of schema 1: {error}") from error
