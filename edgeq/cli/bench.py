"""`edgeq bench`: finished artifacts on devices; no torch needed."""

from pathlib import Path

import click

from edgeq.cli.measuring import Order, load_profiles, measure_on_devices, measuring_options


@click.command()
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--device", "devices", multiple=True, required=True, help="Device name or profile file; may repeat."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write report.md and report.json here."
)
@measuring_options
def bench(artifacts: tuple[Path, ...], devices: tuple[str, ...], out: Path | None, order: Order) -> None:
    """Measure ARTIFACTS (folders of `edgeq export`, or .pte files made elsewhere) on devices."""
    from edgeq.artifact import load_artifact
    from edgeq.measure.passes import Subject

    profiles = load_profiles(devices)
    measure_on_devices(profiles, [Subject(load_artifact(path)) for path in artifacts], order, out)
