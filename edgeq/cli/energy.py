"""`edgeq energy`: a bench meter's recording laid over a run, and the energy of an inference by it."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from edgeq.errors import InputError, MeasurementError

if TYPE_CHECKING:
    from edgeq.results.records import Run

# Watts, and seconds, that one of the column is.
_WATTS = {"W": 1.0, "mW": 1e-3, "uW": 1e-6}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), required=True, help="The recording.")
@click.option("--time", "time_column", required=True, help="Its column of time; a number counts from 0.")
@click.option(
    "--power", "power_columns", multiple=True, required=True, help="Of power; twice: current and voltage."
)
@click.option("--power-unit", type=click.Choice([*_WATTS]), default="W", show_default=True)
@click.option("--time-unit", type=click.Choice([*_SECONDS]), default="s", show_default=True)
@click.option("--site", required=True, help="Where the meter sits: board, supply, battery, rail, soc, ...")
@click.option("--meter", "name", default="meter", show_default=True, help="What to call it.")
@click.option("--uncertainty", help="Of the meter itself, as its maker gives it, e.g. 1%.")
@click.option("--offset", type=float, help="Seconds to add to its times [found by the load].")
@click.option("--run", "run_id", help="Which run of REPORT, by the beginning of its id.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a report with the energy."
)
def energy(
    report: Path,
    csv_file: Path,
    time_column: str,
    power_columns: tuple[str, ...],
    power_unit: str,
    time_unit: str,
    site: str,
    name: str,
    uncertainty: str | None,
    offset: float | None,
    run_id: str | None,
    out: Path | None,
) -> None:
    """Find the energy of an inference of a run in REPORT by a bench meter's recording.

    The run is one that `edgeq bench --measure power` made while the meter recorded. A claim that the
    recording does not carry is not made: the command says why, writes nothing and exits with 6.
    """
    from edgeq.cache import write_atomic
    from edgeq.report.energy import energy_sections
    from edgeq.report.files import read_report
    from edgeq.report.text import render_text
    from edgeq.results.meter import Columns, Recording, lay_over
    from edgeq.results.records import Missing, encode_report

    _check_site(site)
    run = _choose(list(read_report(report).runs), run_id)
    columns = Columns(time_column, power_columns, _SECONDS[time_unit], _WATTS[power_unit])
    recording: Recording = Recording(csv_file, columns, name, site, _read_share(uncertainty), offset)
    found = lay_over(recording, run)
    if isinstance(found, Missing):
        raise MeasurementError(
            f"{csv_file} gives no energy for this run: {found.missing}",
            hint="docs/measuring.md says what a recording must hold; --offset says where the run lies in it",
        )
    click.echo(render_text(energy_sections([found])))
    if out is not None:
        write_atomic(out, encode_report([found]))


def _check_site(site: str) -> None:
    from edgeq.devices.hardware import Site

    if site not in get_args(Site):
        raise InputError(f"--site {site}: not known", hint=f"there are: {', '.join(get_args(Site))}")


def _choose(runs: "list[Run]", run_id: str | None) -> "Run":
    chosen = [run for run in runs if run_id is None or run.id.startswith(run_id)]
    if len(chosen) == 1:
        return chosen[0]
    there = ", ".join(f"{run.id[:12]} ({run.artifact.name}.{run.artifact.recipe})" for run in chosen or runs)
    what = f"{len(chosen)} runs" if chosen else "no run"
    which = "" if run_id is None else f" whose id begins with {run_id}"
    raise InputError(
        f"the report holds {what}{which}", hint=f"name one with --run: {there or 'there are none'}"
    )


def _read_share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not text.endswith("%") or not 0 <= share < 1:
        raise InputError(f"--uncertainty {text}: not a share", hint="write it like 1%")
    return share
