"""`edgeq report`: a stored report, shown or converted."""

from pathlib import Path

import click


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write instead of stdout."
)
def report(reports: tuple[Path, ...], form: str, out: Path | None) -> None:
    """Show REPORTS (report.json files, or folders that hold one)."""
    from edgeq.cache import write_atomic
    from edgeq.report.files import read_report
    from edgeq.report.markdown import render_markdown
    from edgeq.report.sections import report_sections
    from edgeq.report.text import render_text
    from edgeq.results.records import encode_report

    runs = [run for path in reports for run in read_report(path).runs]
    profiles = dict.fromkeys(run.device.profile if run.device else "a device not reached" for run in runs)
    by_device = {
        name: [run for run in runs if (run.device.profile if run.device else "a device not reached") == name]
        for name in profiles
    }
    if form == "json":
        text = encode_report(runs).decode()
    elif form == "markdown":
        text = "\n".join(
            render_markdown(f"edgeq on {name}", report_sections(each)) for name, each in by_device.items()
        )
    else:
        text = "\n".join(render_text(report_sections(each)) for each in by_device.values())
    if out is None:
        click.echo(text)
    else:
        write_atomic(out, text.encode())
