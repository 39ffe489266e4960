"""`edgeq run`: export, bench and report in one go."""

import concurrent.futures
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cli.delegation import delegation_option
from edgeq.cli.measuring import Order, load_profiles, measure_on_devices, measuring_options
from edgeq.cli.terminal import Terminal
from edgeq.errors import InputError
from edgeq.measure.passes import Evaluation, Subject

if TYPE_CHECKING:
    from edgeq.compile.recipe import Recipe
    from edgeq.results.records import Metrics
    from edgeq.workload.loader import Workload


@click.command()
@click.argument("workloads", nargs=-1, required=True, metavar="WORKLOAD...")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=("fp32", "int8"),
    show_default=True,
    help="Recipe, recipe file (.toml, .py) or artifact that has it; may repeat.",
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
@delegation_option
@measuring_options
def run(
    workloads: tuple[str, ...],
    recipes: tuple[str, ...],
    devices: tuple[str, ...],
    out: Path | None,
    least: float | None,
    order: Order,
) -> None:
    """Export each WORKLOAD (a .py file, a module, a .pt2 file, or `digits`), bench it, and report."""
    from edgeq.compile.recipe_file import load_recipes
    from edgeq.measure.choices import resolve_spec
    from edgeq.measure.device import prepare_device
    from edgeq.results.delegation import require_delegation
    from edgeq.workload.loader import load_workload

    profiles = load_profiles(devices)
    for profile in profiles:
        resolve_spec(profile, order.choices)
    asked = load_recipes(recipes)
    loaded = [load_workload(workload) for workload in workloads]
    names = [workload.name for workload in loaded]
    if len(set(names)) < len(names):
        raise InputError(f"two workloads have one name: {', '.join(sorted(names))}", hint="rename a file")
    folder = out or Path("out") / "-".join(names)
    # The runner is compiled and the board's packages are fetched while this process lowers the model.
    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        preparing = [pool.submit(prepare_device, profile, order.terminal.announce) for profile in profiles]
        subjects = [
            subject for workload in loaded for subject in _export(workload, asked, folder, order.terminal)
        ]
        if least is not None:
            for subject in subjects:
                require_delegation(subject.artifact.label, subject.artifact.info.delegation, least)
        for future in preparing:
            future.result()
    finally:
        # After an error nothing more is begun, and the error is told at once.
        pool.shutdown(wait=False, cancel_futures=True)
    measure_on_devices(profiles, subjects, order, folder)


def _export(
    workload: "Workload", recipes: Sequence["Recipe"], folder: Path, terminal: Terminal
) -> list[Subject]:
    from edgeq.artifact import load_artifact
    from edgeq.compile.evaluation.accuracy import record_evaluation, replay_evaluation
    from edgeq.compile.export import export_artifact, publish

    evaluation, scores = None, None
    if workload.evaluate is not None:
        terminal.announce(f"{workload.name}: evaluating the eager model")
        recording = record_evaluation(workload)

        def scores() -> "Metrics":
            return recording.metrics

        if recording.inputs:
            evaluation = Evaluation(recording.inputs, partial(replay_evaluation, workload, recording))
    artifacts = []
    for recipe in recipes:
        made, cached = export_artifact(
            workload, recipe, announce=terminal.announce, progress=terminal.progress, scores=scores
        )
        artifacts.append(load_artifact(publish(made, folder / "artifacts")))
        terminal.announce(f"{artifacts[-1].label}: {'unchanged, from the cache' if cached else 'exported'}")
    return [Subject(artifact, evaluation) for artifact in artifacts]
