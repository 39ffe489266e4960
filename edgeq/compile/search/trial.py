"""One trial of a search, in whatever process it runs: a recipe simulated, layers ranked, or an export made.

The functions take what can be sent to another process, and answer with what can be sent back. Each process
opens a workload once, and keeps the study that it needed last. One thread each: what a trial finds must not
depend on how many run at once.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from edgeq.compile.diagnosis.sensitivity import list_shares, measure_sensitivity
from edgeq.compile.diagnosis.study import Study, judge, open_study, simulate
from edgeq.compile.evaluation import accuracy
from edgeq.compile.export import describe_order, export_artifact, prepare_order, publish
from edgeq.compile.recipe import Override, Recipe
from edgeq.compile.silence import silence
from edgeq.compile.threads import one_thread
from edgeq.errors import ExportError, RecipeError
from edgeq.results.records import Closeness, Metrics
from edgeq.workload.loader import Workload, load_workload


@dataclass(frozen=True)
class Answer:
    """What a trial found; `refused` says why the recipe cannot be applied."""

    metrics: Metrics
    closeness: Closeness | None
    refused: str | None = None


def describe_workload(spec: str, start: Recipe) -> dict[str, object]:
    """All that a trial depends on but its recipe: what keys are made of."""
    with one_thread(), silence():
        order = prepare_order(_workload(spec), start, _workload(spec).name, _ignore, _ignore)
        facts = describe_order(order)
    return {key: value for key, value in facts.items() if key != "recipe"}


def evaluate_eager(spec: str) -> Metrics:
    """The metrics of the eager model."""
    with one_thread():
        return accuracy.evaluate_eager(_workload(spec))


def try_recipe(spec: str, base: Recipe, layers: tuple[Override, ...]) -> Answer:
    """Simulate `base` with `layers` left in FP32, and judge it by the workload's `evaluate`."""
    try:
        study = _study(spec, base)
        found = judge(study, simulate(study, layers), evaluate=True)
    except RecipeError as error:
        return Answer({}, None, error.message)
    return Answer(found.metrics, found.closeness)


def rank_layers(spec: str, base: Recipe) -> tuple[tuple[Override, float], ...]:
    """The layers that `base` quantizes, worst first by SQNR, each with the share of the work that it adds.

    Biases are not corrected: for each of these many trials that would take longer than the trial.
    """
    study = _study(spec, replace(base, bias_correction=False))
    overrides = [layer.override for layer in measure_sensitivity(study).layers]
    return tuple(zip(overrides, list_shares(study, overrides), strict=True))


def export_recipe(spec: str, recipe: Recipe, out: Path, eager: Metrics) -> tuple[Path | None, str | None]:
    """The artifact of `recipe`, published in `out`; or None and why there is none. `eager` scores so now."""
    with one_thread():
        try:
            folder, _ = export_artifact(_workload(spec), recipe, scores=lambda: eager)
        except (RecipeError, ExportError) as error:
            return None, error.message
    return publish(folder, out), None


@functools.cache
def _workload(spec: str) -> Workload:
    return load_workload(spec)


@functools.lru_cache(maxsize=1)
def _study(spec: str, recipe: Recipe) -> Study:
    return open_study(_workload(spec), recipe)


def _ignore(*_: object) -> None:
    """Where nobody is to be told."""
