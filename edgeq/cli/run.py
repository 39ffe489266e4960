"""`edgeq run`: export, bench and report in one go."""

import concurrent.futures
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cli.measuring import load_profiles, measure_on_devices, measuring_options, read_choices
from edgeq.cli.terminal import Terminal
from edgeq.measure.passes import Evaluation, Subject

if TYPE_CHECKING:
    from edgeq.workload.loader import Workload


@click.command()
@click.argument("workload")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=("fp32", "int8"),
    show_default=True,
    help="Recipe; may repeat.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    default=("virt-pi5",),
    show_default=True,
    help="Device name or profile file; may repeat.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for artifacts and reports [out/NAME].",
)
@measuring_options
def run(
    workload: str,
    recipes: tuple[str, ...],
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
    """Export WORKLOAD (a .py file, a module, a .pt2 file, or `digits`), bench it on devices, and report."""
    from edgeq.compile.recipe import find_recipe
    from edgeq.measure.session import prepare_device, resolve_spec
    from edgeq.workload.loader import load_workload

    terminal = Terminal(quiet=quiet)
    choices = read_choices(threads, cpus, warmup, iterations, measure)
    profiles = load_profiles(devices)
    for profile in profiles:
        resolve_spec(profile, choices)
    for recipe in recipes:
        find_recipe(recipe)
    loaded = load_workload(workload)
    folder = out or Path("out") / loaded.name
    # The runner is compiled and the board's packages are fetched while this process lowers the model.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        preparing = [pool.submit(prepare_device, profile, terminal.announce) for profile in profiles]
        subjects = _export(loaded, tuple(dict.fromkeys(recipes)), folder, terminal)
        for future in preparing:
            future.result()
    measure_on_devices(profiles, subjects, choices, terminal, out=folder, json_file=json_file)


def _export(workload: "Workload", recipes: Sequence[str], folder: Path, terminal: Terminal) -> list[Subject]:
    from edgeq.artifact import load_artifact
    from edgeq.compile.accuracy import record_evaluation, replay_evaluation
    from edgeq.compile.export import export_artifact, publish

    subjects = []
    for recipe in recipes:
        made, cached = export_artifact(workload, recipe, announce=terminal.announce)
        artifact = load_artifact(publish(made, folder / "artifacts"))
        terminal.announce(f"{artifact.label}: {'unchanged, from the cache' if cached else 'exported'}")
        evaluation = None
        if workload.evaluate is not None:
            recording = record_evaluation(workload, artifact)
            evaluation = Evaluation(recording.inputs, partial(replay_evaluation, workload, recording))
        subjects.append(Subject(artifact, evaluation))
    return subjects
