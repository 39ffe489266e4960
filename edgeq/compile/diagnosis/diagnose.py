"""The whole diagnosis of a workload under a recipe, as a document."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from edgeq.compile.calibration.calibrate import Progress
from edgeq.compile.diagnosis.attempts import try_suggestions
from edgeq.compile.diagnosis.fewer_samples import try_fewer_samples
from edgeq.compile.diagnosis.growth import Growth, measure_growth
from edgeq.compile.diagnosis.remedy import Wish, find_remedy
from edgeq.compile.diagnosis.sensitivity import LayerSensitivity, Sensitivity, list_parts, measure_sensitivity
from edgeq.compile.diagnosis.study import NOT_ASKED, SAMPLES, Study, open_study
from edgeq.compile.evaluation.accuracy import evaluate_eager
from edgeq.compile.recipe import Recipe
from edgeq.errors import WorkloadError
from edgeq.results.diagnosis.advice import Evidence, suggest
from edgeq.results.diagnosis.document import (
    Advice,
    CountTrial,
    Diagnosis,
    LayerLoss,
    Remedy,
    Trial,
    miss_trial,
)
from edgeq.results.records import Metrics, Missing
from edgeq.workload.loader import Workload

# A trial of a network with more multiply-accumulates an inference takes seconds on that many inputs.
LARGE_MACS = 100_000_000
FEW = 8


def diagnose_workload(
    workload: Workload,
    recipe: Recipe,
    wish: Wish,
    *,
    samples: int | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    evaluate: bool = False,
    announce: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Diagnosis:
    """Find where `recipe` loses accuracy, and what leaving the worst layers in FP32 gives.

    Trials are judged on `samples` of the calibration set, or on SAMPLES, and FEW of a large network.
    `trials` and `seconds` bound the trials of single layers. Those of fewer calibration samples and those of
    the advice may each take as many seconds again; those that prove the remedy come last.

    Raises:
        RecipeError: the recipe quantizes nothing, or cannot be simulated.
        WorkloadError, CalibrationError: what the workload gives is wrong, or it gives no typical samples.
        ExportError: torch cannot trace the model.
    """
    _require(workload, evaluate=evaluate)
    study = open_study(workload, recipe, samples=samples or SAMPLES, announce=announce, progress=progress)
    study = study if samples else _thin(study)
    announce(f"{workload.name}: following the error through the network")
    growth = measure_growth(study, progress)
    found = measure_sensitivity(
        study,
        trials=trials,
        seconds=seconds,
        evaluate=evaluate,
        suspects=growth.suspects,
        announce=announce,
        progress=progress,
    )
    counts = try_fewer_samples(study, seconds, evaluate=evaluate, announce=announce)
    suggestions = suggest(_evidence(found, growth, recipe))
    advice = try_suggestions(study, suggestions, seconds, evaluate=evaluate, announce=announce)
    remedy = find_remedy(study, found, wish, evaluate=evaluate, announce=announce)
    eager: Metrics = evaluate_eager(workload) if evaluate else {"missing": NOT_ASKED}
    return _document(study, found, growth, counts, eager, advice, remedy)


def _thin(study: Study) -> Study:
    """The study with fewer inputs where the network is large: its outputs tell as much by being many."""
    if sum(part.macs for part in list_parts(study)) <= LARGE_MACS:
        return study
    step = SAMPLES // FEW
    return replace(study, inputs=study.inputs[::step], eager=study.eager[::step])


def _document(
    study: Study,
    found: Sensitivity,
    growth: Growth,
    counts: tuple[CountTrial, ...],
    eager: Metrics,
    advice: tuple[Advice, ...],
    remedy: Remedy | Missing,
) -> Diagnosis:
    return Diagnosis(
        workload=study.order.name,
        recipe=study.recipe.name,
        settings=msgspec.to_builtins(study.recipe),
        versions=study.order.versions,
        inputs=len(study.inputs),
        source=study.source,
        whole=found.whole,
        eager=eager,
        layers=tuple(map(_record, found.layers)),
        trials=found.trials,
        seconds=found.seconds,
        counts=counts,
        calibration_samples=study.order.survey.calibration.samples if study.order.survey else 0,
        errors=growth.errors,
        activations=growth.activations,
        weights=growth.weights,
        advice=advice,
        remedy=None if isinstance(remedy, Missing) else remedy,
        no_remedy=remedy.missing if isinstance(remedy, Missing) else None,
    )


def _require(workload: Workload, *, evaluate: bool) -> None:
    if workload.calibration is None:
        raise WorkloadError(
            f"workload {workload.name!r} brings no calibration data: one example tells nothing about a loss",
            hint="add a function calibration() that yields typical samples, each a tuple like "
            "example_inputs()",
        )
    if evaluate and workload.evaluate is None:
        raise WorkloadError(
            f"workload {workload.name!r} brings no evaluate()",
            hint="add a function evaluate(predict), or judge by the outputs alone: without --evaluate",
        )


def _evidence(found: Sensitivity, growth: Growth, recipe: Recipe) -> Evidence:
    return Evidence(
        settings=msgspec.to_builtins(recipe),
        whole=found.whole,
        layers=tuple(map(_record, found.layers)),
        errors=growth.errors,
        activations=growth.activations,
        weights=growth.weights,
    )


def _record(layer: LayerSensitivity) -> LayerLoss:
    return LayerLoss(
        module=layer.module,
        kind=layer.kind,
        override=msgspec.to_builtins(layer.override),
        macs=layer.macs,
        share=layer.share,
        alone=_trial(layer.alone),
        left_out=_trial(layer.left_out),
    )


def _trial(made: Trial | Missing) -> Trial:
    return made if isinstance(made, Trial) else miss_trial(made.missing)
