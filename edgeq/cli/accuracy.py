"""`edgeq accuracy`: the accuracy ladder of a workload or an artifact, and the gate on what it lost."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cli.measuring import Book, load_profiles, measure_all
from edgeq.cli.store import store_option
from edgeq.cli.terminal import Terminal
from edgeq.errors import EdgeqError, GateFailed, InputError, WorkloadError

if TYPE_CHECKING:
    from edgeq.artifact import Artifact
    from edgeq.compile.evaluation.accuracy import Recording
    from edgeq.devices.profile import DeviceProfile
    from edgeq.results.ladder import AccuracyReport, Reference, Step
    from edgeq.results.records import Metrics, Run
    from edgeq.workload.loader import Workload

_BUILT_IN = "digits"


@dataclass(frozen=True)
class _Subject:
    """The programs to look at; the workload that they were made from, where it is at hand.

    `recording` is what its `evaluate` asks about, where devices are to answer it.
    """

    name: str
    artifacts: "tuple[Artifact, ...]"
    workload: "Workload | None"
    recording: "Recording | None"


@click.command()
@click.argument("what", metavar="WORKLOAD|ARTIFACT")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    help="Of a workload: recipe, recipe file or artifact that has it; may repeat [int8].",
)
@click.option(
    "--device", "devices", multiple=True, help="Climb the last rung on this device, too; may repeat."
)
@click.option(
    "--max-drop", "drop_text", metavar="DROP", help="Exit 1 when a rung lost more: 1%, 0.01 or 1pt."
)
@click.option(
    "--baseline",
    type=click.Choice(["eager"]),
    help="Run torch.ao.quantization's eager-mode flow beside it, on this host.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as data.")
@store_option
@click.option(
    "--wait", type=click.IntRange(0), default=600, show_default=True, help="Seconds for a device in use."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def accuracy(
    what: str,
    recipes: tuple[str, ...],
    devices: tuple[str, ...],
    drop_text: str | None,
    baseline: str | None,
    store_path: Path | None,
    wait: int,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what each step from the PyTorch model to the device costs in accuracy.

    WORKLOAD is exported with each recipe, or found in the cache; ARTIFACT is a folder of `edgeq export`.
    """
    from edgeq.results.drop import parse_drop
    from edgeq.results.ladder import AccuracyReport, judge_ladder, read_ladder

    drop = None if drop_text is None else parse_drop(drop_text)
    profiles = load_profiles(devices)
    terminal = Terminal(quiet=quiet)
    subject = _open(what, recipes, terminal, record=bool(profiles), needs_workload=bool(profiles or baseline))
    steps: list[Step] = []
    for artifact in subject.artifacts:
        steps += read_ladder(artifact.label, artifact.info.accuracy)
    if drop is not None:
        list(judge_ladder(steps, drop))  # a drop that means nothing is told before a device is asked
    errors: list[EdgeqError] = []
    if profiles:
        measured, errors = _measure(subject, profiles, terminal, store_path, wait)
        steps = _beside(subject, steps, measured)
    report = AccuracyReport(
        name=subject.name,
        steps=tuple(steps),
        drop=None if drop is None else drop.text,
        judged=tuple(judge_ladder(steps, drop)) if drop is not None else (),
        references=_run_baseline(subject, terminal) if baseline else (),
    )
    _show(report, as_json=as_json)
    _conclude(report, errors)


def _open(
    what: str, recipes: Sequence[str], terminal: Terminal, *, record: bool, needs_workload: bool
) -> _Subject:
    from edgeq.artifact import MANIFEST, load_artifact

    path = Path(what)
    if path.suffix == ".pte":
        raise InputError(
            f"{what} is a program alone: nothing is known of the model that it was made from",
            hint="name the workload, or a folder of `edgeq export`",
        )
    if not (path / MANIFEST).is_file():
        return _export(what, recipes or ("int8",), terminal, record=record)
    if recipes:
        raise InputError(f"{what} is an artifact and has its recipe: --recipe is for workloads")
    artifact = load_artifact(path)
    workload = _find_workload(artifact) if needs_workload else None
    recording = _record(workload, terminal) if record and workload else None
    return _Subject(artifact.info.name, (artifact,), workload, recording)


def _export(what: str, recipes: Sequence[str], terminal: Terminal, *, record: bool) -> _Subject:
    from edgeq.artifact import load_artifact
    from edgeq.compile.evaluation.accuracy import evaluate_eager
    from edgeq.compile.export import export_artifact
    from edgeq.compile.recipe_file import load_recipes
    from edgeq.workload.loader import load_workload

    asked = load_recipes(recipes)
    workload = load_workload(what)
    recording = _record(workload, terminal) if record else None
    # Once for all recipes, and only when one of them is in the cache.
    scores = cache(lambda: recording.metrics if recording else evaluate_eager(workload))
    artifacts = []
    for recipe in asked:
        folder, cached = export_artifact(
            workload, recipe, announce=terminal.announce, progress=terminal.progress, scores=scores
        )
        artifacts.append(load_artifact(folder))
        terminal.announce(f"{artifacts[-1].label}: {'from the cache' if cached else 'exported'}")
    return _Subject(workload.name, tuple(artifacts), workload, recording)


def _record(workload: "Workload", terminal: Terminal) -> "Recording":
    from edgeq.compile.evaluation.accuracy import record_evaluation

    terminal.announce(f"{workload.name}: what evaluate() asks about")
    return record_evaluation(workload)


def _find_workload(artifact: "Artifact") -> "Workload":
    """The built-in workload. Of any other an artifact knows the file's name only, and a name runs no code."""
    from edgeq.workload.loader import load_workload

    manifest = artifact.manifest
    if manifest is None or Path(manifest.workload).stem != _BUILT_IN:
        name = "the workload" if manifest is None else manifest.workload
        raise InputError(
            f"{artifact.folder} does not hold {name}, whose evaluate() and model are needed for this",
            hint=f"name the file, with the artifact as its recipe: "
            f"edgeq accuracy PATH/{name} --recipe {artifact.folder}",
        )
    return load_workload(_BUILT_IN)


def _measure(
    subject: _Subject,
    profiles: "Sequence[DeviceProfile]",
    terminal: Terminal,
    store_path: Path | None,
    wait: int,
) -> "tuple[dict[str, list[Run]], list[EdgeqError]]":
    """The outputs of each program on each device, by profile; each run is stored like any other."""
    from edgeq.compile.evaluation.accuracy import replay_evaluation
    from edgeq.measure.choices import Choices
    from edgeq.measure.passes import Evaluation, Subject
    from edgeq.results.labels import git_labels
    from edgeq.results.store import Store, default_store_path

    recording = subject.recording
    assert subject.workload is not None and recording is not None  # noqa: S101, PT018 - `_open` was told so
    _require_same(subject, recording.metrics)
    evaluation = Evaluation(recording.inputs, partial(replay_evaluation, subject.workload, recording))
    subjects = [Subject(artifact, evaluation) for artifact in subject.artifacts]
    book = Book(profiles, None, Store(store_path or default_store_path()), git_labels(Path.cwd()))
    measure_all(profiles, subjects, Choices(passes=("outputs",), wait=wait), terminal, book)
    book.close()
    return book.runs, book.errors


def _require_same(subject: _Subject, metrics: "Metrics") -> None:
    """Refuse programs whose eager model scored something else than the workload's does now."""
    from edgeq.compile.evaluation.accuracy import are_same
    from edgeq.results.ladder import list_scores

    for artifact in subject.artifacts:
        then = artifact.info.accuracy.eager
        if not are_same(metrics, then):
            raise InputError(
                f"{artifact.label} was made of another model or evaluation: the eager model scores "
                f"{list_scores(metrics)} now, and scored {list_scores(then)}",
                hint="export it again",
            )


def _beside(subject: _Subject, steps: "Sequence[Step]", measured: "dict[str, list[Run]]") -> "list[Step]":
    """`steps` with the rungs of the devices behind those of the same program."""
    from edgeq.results.ladder import read_device_step

    found = list(steps)
    for artifact in subject.artifacts:
        runs = [run for same in measured.values() for run in same if run.artifact.name == artifact.info.name]
        runs = [run for run in runs if run.artifact.recipe == artifact.info.recipe]
        place = max(index for index, step in enumerate(found) if step.program == artifact.label) + 1
        found[place:place] = [read_device_step(artifact.label, run) for run in runs]
    return found


def _run_baseline(subject: _Subject, terminal: Terminal) -> "tuple[Reference, ...]":
    from edgeq.compile.evaluation.eager_baseline import run_baseline
    from edgeq.results.ladder import Reference, place_beside

    assert subject.workload is not None  # noqa: S101 - `_open` was told that it is needed
    rows = run_baseline(subject.workload, subject.artifacts, terminal.announce)
    eager = rows[0].rung.metrics
    _require_same(subject, eager)
    return tuple(
        Reference(
            step=place_beside(eager, row.rung.metrics, row.rung.closeness, program=row.method, rung=""),
            times=row.times,
        )
        for row in rows
    )


def _show(report: "AccuracyReport", *, as_json: bool) -> None:
    import msgspec

    from edgeq.report.accuracy import ladder_sections
    from edgeq.report.text import render_text

    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        click.echo(render_text(ladder_sections(report)))


def _conclude(report: "AccuracyReport", errors: Sequence[EdgeqError]) -> None:
    """Exit as the gate says; a device that failed comes before what it left unmeasured."""
    lost = [
        each.describe(report.drop or "")
        for each in report.judged
        if each.loss is not None and not each.loss.within
    ]
    unseen = [each.describe(report.drop or "") for each in report.judged if each.loss is None]
    if lost:
        raise GateFailed("; ".join([*lost, *unseen]), hint="edgeq inspect shows the layers of an artifact")
    if errors:
        sys.exit(errors[0].exit_code)
    if unseen:
        raise GateFailed("; ".join(unseen), hint="a gate does not let pass what it cannot see")
    if report.drop is not None and not report.judged:
        raise WorkloadError(
            f"{report.name}: --max-drop {report.drop} has nothing to judge: the workload has no evaluate()",
            hint='add evaluate(predict) that gives metrics such as {"top1": 0.97}; predict takes one sample',
        )
