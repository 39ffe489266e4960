"""`edgeq bench`: finished artifacts on devices; no torch needed."""

from dataclasses import replace
from pathlib import Path

import click

from edgeq.cli.measuring import Order, load_profiles, measure_on_devices, measuring_options
from edgeq.cli.policy import Duration
from edgeq.errors import InputError


@click.command()
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--device", "devices", multiple=True, required=True, help="Device name or profile file; may repeat."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write report.md and report.json here."
)
@click.option(
    "--paired", is_flag=True, help="Run all ARTIFACTS in rounds and say what is faster than the first."
)
@click.option(
    "--rounds", type=click.IntRange(1), help="With --paired: rounds at most (default 40, 3 of counts)."
)
@click.option("--time-limit", type=Duration(), help="With --paired: begin no round later than this, e.g. 5m.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="With --paired: of the order (default: drawn)."
)
@click.option("--in-app", is_flag=True, help="On a phone: run inside of an Android app. Needs --apk.")
@click.option(
    "--apk",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --in-app: the app of android_runner/, built by Gradle.",
)
@measuring_options
def bench(
    artifacts: tuple[Path, ...],
    devices: tuple[str, ...],
    out: Path | None,
    rounds: int | None,
    time_limit: float | None,
    seed: int | None,
    apk: Path | None,
    order: Order,
    *,
    paired: bool,
    in_app: bool,
) -> None:
    """Measure ARTIFACTS (folders of `edgeq export`, or .pte files made elsewhere) on devices."""
    from edgeq.artifact import load_artifact
    from edgeq.measure.paired import draw_plan
    from edgeq.measure.passes import Subject
    from edgeq.runner.app import read_apk

    if not paired and (rounds, time_limit, seed) != (None, None, None):
        raise InputError("--rounds, --time-limit and --seed are for --paired")
    if paired:
        if len(artifacts) < 2:
            raise InputError("--paired compares artifacts: name two or more, the first is the base")
        plan = draw_plan(rounds, time_limit, seed)
        order = replace(order, choices=replace(order.choices, paired=plan))
    if in_app != (apk is not None):
        raise InputError(
            "--in-app and --apk belong together: edgeq brings no app of its own",
            hint="android_runner/README.md says how Gradle builds it",
        )
    if apk is not None:
        order = replace(order, choices=replace(order.choices, apk=read_apk(apk)))
    profiles = load_profiles(devices)
    measure_on_devices(profiles, [Subject(load_artifact(path)) for path in artifacts], order, out)
