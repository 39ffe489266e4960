"""`edgeq bench`: finished artifacts on devices; no torch needed."""

from pathlib import Path

import click

from edgeq.cli.measuring import load_profiles, measure_on_devices, measuring_options, read_choices
from edgeq.cli.terminal import Terminal


@click.command()
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--device", "devices", multiple=True, required=True, help="Device name or profile file; may repeat."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write report.md and report.json here."
)
@measuring_options
def bench(
    artifacts: tuple[Path, ...],
    devices: tuple[str, ...],
    out: Path | None,
    threads: int,
    cpus: str | None,
    warmup: int | None,
    iterations: int | None,
    measure: str,
    json_file: Path | None,
    *,
    quiet: bool,
) -> None:
    """Measure ARTIFACTS (folders of `edgeq export`, or .pte files made elsewhere) on devices."""
    from edgeq.artifact import load_artifact
    from edgeq.measure.passes import Subject

    choices = read_choices(threads, cpus, warmup, iterations, measure)
    profiles = load_profiles(devices)
    subjects = [Subject(load_artifact(path)) for path in artifacts]
    measure_on_devices(profiles, subjects, choices, Terminal(quiet=quiet), out=out, json_file=json_file)
