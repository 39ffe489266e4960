"""`edgeq report`: stored reports, shown or converted; or a site of a whole store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.errors import InputError

if TYPE_CHECKING:
    from edgeq.results.records import Run

FORMATS = ("text", "markdown", "json", "csv", "html", "site", "schema")


@click.command()
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write instead of stdout; for `site`, the folder.",
)
@click.option(
    "--artifact",
    "artifacts",
    multiple=True,
    type=click.Path(path_type=Path),
    help="With `html`: an artifact whose graph the page shows; may repeat.",
)
def report(reports: tuple[Path, ...], form: str, out: Path | None, artifacts: tuple[Path, ...]) -> None:
    """Show REPORTS (report.json files, or folders that hold one).

    `html` is one self-contained page, a comparison when the runs are of several devices. `site` writes a
    folder of pages, of the whole store when no REPORTS are given. `schema` prints the JSON Schema of
    report.json.
    """
    from edgeq.cache import write_atomic

    if artifacts and form != "html":
        raise InputError("--artifact is for --format html: the page of a device shows the graphs")
    if form == "site":
        _write_site(reports, out)
        return
    if not reports and form != "schema":
        raise InputError("no reports given", hint="name report.json files, or folders that hold one")
    text = _render(form, _read(reports), artifacts)
    if out is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_atomic(out, text.encode())


def _read(reports: Sequence[Path]) -> "list[Run]":
    from edgeq.report.files import read_report

    return [run for path in reports for run in read_report(path).runs]


def _render(form: str, runs: "Sequence[Run]", artifacts: Sequence[Path]) -> str:
    if form == "schema":
        from edgeq.report.schema import render_schema

        return render_schema()
    if form == "json":
        from edgeq.results.records import encode_report

        return encode_report(runs).decode()
    if form == "csv":
        from edgeq.report.csv import render_csv

        return render_csv(runs)
    if form == "html":
        from edgeq.artifact import load_artifact, read_graphs
        from edgeq.report.html.page import render_html

        return render_html(_some(runs), read_graphs(map(load_artifact, artifacts)))
    from edgeq.report.markdown import render_markdown
    from edgeq.report.sections import group_by_device, report_sections
    from edgeq.report.text import render_text

    by_device = {name: report_sections(each) for name, each in group_by_device(runs).items()}
    if form == "markdown":
        return "\n".join(render_markdown(f"edgeq on {name}", each) for name, each in by_device.items())
    return "\n".join(render_text(each) for each in by_device.values())


def _some(runs: "Sequence[Run]") -> "Sequence[Run]":
    if not runs:
        raise InputError("these reports hold no runs: there is nothing to show")
    return runs


def _write_site(reports: Sequence[Path], out: Path | None) -> None:
    from edgeq.report.html.site import check_folder, write_site

    if out is None:
        raise InputError("a site needs a folder to be written to", hint="name it with --out DIR")
    check_folder(out)
    labels: Mapping[str, Mapping[str, str]] = {}
    if reports:
        runs = _read(reports)
    else:
        from edgeq.results.store import Store, default_store_path

        with Store(default_store_path()) as store:
            runs = list(store.find())
            labels = {run.id: store.labels(run.id) for run in runs}
    pages = write_site(out, runs, labels)
    click.echo(f"{out / 'index.html'}: {pages} pages of {len(runs)} runs")
