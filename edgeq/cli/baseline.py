"""`edgeq baseline`: runs written down as what later ones are compared with."""

from pathlib import Path

import click


@click.command()
@click.argument("reports", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("baseline.json"),
    show_default=True,
    help="File to write.",
)
def baseline(reports: tuple[str, ...], out: Path) -> None:
    """Write REPORTS (files, folders, run ids) as a small file to commit: `edgeq compare FILE NEW` reads it.

    The same runs give the same file to the byte; nothing of the host is in it.
    """
    from edgeq.cache import write_atomic
    from edgeq.cli.sources import read_runs
    from edgeq.results.baseline import encode_baseline

    runs = [run for text in reports for run in read_runs(text)]
    write_atomic(out, encode_baseline(runs))
    click.echo(f"{out}: {len(runs)} run{'s' if len(runs) > 1 else ''}")
