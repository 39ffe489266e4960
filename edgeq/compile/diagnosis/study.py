"""A workload under a recipe, traced and calibrated once, with the inputs on which every trial is judged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.fx import GraphModule

from edgeq.agreement import Tally
from edgeq.artifact import TensorRange
from edgeq.compile.build import calibration_samples, first_samples
from edgeq.compile.calibration.calibrate import Progress, read_calibration
from edgeq.compile.diagnosis.simulate import Ranges, collect_ranges, knows_ranges, round_in_place
from edgeq.compile.evaluation.accuracy import answer_with, evaluate_with
from edgeq.compile.export import Announce, Order, prepare_order
from edgeq.compile.quantization.bias_correction import CORRECTION_SAMPLES, correct_biases
from edgeq.compile.quantization.overrides import Plan, apply_overrides
from edgeq.compile.quantization.quantize import Observed, insert_observers, observe_program
from edgeq.compile.recipe import Override, Recipe, extend_recipe
from edgeq.compile.rewrites.rewrite import rewrite_program
from edgeq.compile.silence import silence
from edgeq.compile.threads import one_thread
from edgeq.compile.trace import refusing
from edgeq.errors import RecipeError
from edgeq.results.diagnosis.document import Trial as Trial
from edgeq.results.records import Metrics
from edgeq.workload.loader import Workload

# Inputs that a trial is judged on: more make it slower, and the order of the layers hardly changes.
SAMPLES = 32
# What of them is kept in memory, at most.
_SAMPLE_BYTES = 64_000_000

NOT_ASKED = "the trials were judged by the outputs alone"


@dataclass(frozen=True)
class Study:
    """What trials share. `inputs` are flat samples, `eager` the eager model's flat outputs for them.

    `source` says where the inputs come from: `calibration`, or `example` when there is no calibration set.
    """

    order: Order
    ranges: Ranges
    tensors: tuple[TensorRange, ...]
    source: str
    inputs: list[list[torch.Tensor]]
    eager: list[list[torch.Tensor]] = field(repr=False)

    @property
    def recipe(self) -> Recipe:
        """The recipe that is looked into."""
        return self.order.recipe


@one_thread()
def open_study(
    workload: Workload,
    recipe: Recipe,
    *,
    samples: int = SAMPLES,
    announce: Announce = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Study:
    """Trace `workload`, calibrate it by `recipe`, and run the eager model on the inputs of the trials.

    The inputs are `samples` of the calibration set, evenly spread over it: what the ranges come from, so that
    the loss of a trial is that of rounding and clipping. No more of them are kept than fit in 64 MB.

    Raises:
        RecipeError: the recipe quantizes nothing, or cannot be simulated.
        WorkloadError, CalibrationError: what the workload gives is wrong.
        ExportError: torch cannot trace the model.
    """
    _require_simulated(recipe)
    with silence():
        order = prepare_order(workload, recipe, workload.name, announce, progress)
        announce(f"{order.name}: calibrating {recipe.name}")
        observed = _observe(order, order.plan)
        source, inputs = _take_inputs(order, samples)
        eager = answer_with(order.subject.module, order.subject)
        with torch.no_grad():
            outputs = [[tensor.clone() for tensor in eager(leaves)] for leaves in inputs]
    return Study(
        order=order,
        ranges=collect_ranges(observed.module),
        tensors=observed.watch.ranges if observed.watch else (),
        source=source,
        inputs=inputs,
        eager=outputs,
    )


@one_thread()
def simulate(study: Study, overrides: Sequence[Override] = ()) -> GraphModule:
    """The model under the recipe of `study` and more `overrides`, rounded in floating point.

    The calibration set is run again only when tensors have a range of their own that share one in the recipe,
    or an override gives an observer; what is found is kept in the study.

    Raises:
        RecipeError: an override selects nothing that is quantized.
    """
    plan = _plan(study, overrides)
    with silence():
        prepared = insert_observers(study.order.program, plan)
        if not knows_ranges(prepared, study.ranges):
            calibrated = _observe(study.order, plan)
            study.ranges.update(collect_ranges(calibrated.module))
        rounded = round_in_place(prepared, study.ranges)
        if study.recipe.bias_correction:
            samples = first_samples(study.order, CORRECTION_SAMPLES)
            correct_biases(rounded, study.order.program, plan, samples)
        return rounded


@one_thread()
def judge(study: Study, module: GraphModule, *, evaluate: bool) -> Trial:
    """Run `module` on the inputs of the study and, if asked, through the workload's `evaluate`."""
    answer = answer_with(module, study.order.subject)
    tally = Tally()
    with torch.no_grad(), silence():
        for leaves, expected in zip(study.inputs, study.eager, strict=True):
            got = [tensor.contiguous().numpy() for tensor in answer(leaves)]
            tally.add([tensor.contiguous().numpy() for tensor in expected], got)
        metrics: Metrics = {"missing": NOT_ASKED}
        if evaluate:
            metrics = evaluate_with(study.order.subject, answer)
    return Trial(closeness=tally.result(study.source), metrics=metrics)


@one_thread()
def vary_study(study: Study, recipe: Recipe) -> Study:
    """The study of another recipe for the same workload, on the same inputs.

    Raises:
        RecipeError: the recipe cannot be simulated, or its rewrites or overrides reach nothing.
    """
    _require_simulated(recipe)
    with silence():
        steps = rewrite_program(study.order.traced, recipe)
        program = steps[-1].program if steps else study.order.traced
        order = replace(study.order, steps=steps, plan=apply_overrides(program, recipe))
        observed = _observe(order, order.plan)
    return replace(
        study,
        order=order,
        ranges=collect_ranges(observed.module),
        tensors=observed.watch.ranges if observed.watch else (),
    )


def _observe(order: Order, plan: Plan) -> Observed:
    count = order.survey.calibration.samples if order.survey else 1
    with refusing("PT2E could not quantize", order.subject):
        return observe_program(order.program, plan, calibration_samples(order), count)


def _plan(study: Study, overrides: Sequence[Override]) -> Plan:
    if not overrides:
        return study.order.plan
    recipe = extend_recipe(study.recipe, overrides=tuple(overrides))
    return apply_overrides(study.order.program, recipe)


def _require_simulated(recipe: Recipe) -> None:
    precisions = {recipe.weights, *(override.precision for override in recipe.overrides)}
    if not recipe.is_quantized:
        what = "quantizes nothing"
    elif "int4" in precisions:
        what = "has int4 weights"
    elif recipe.training:
        what = "trains the model"
    else:
        return
    raise RecipeError(
        f"recipe {recipe.name!r} {what}: there is no loss to look into, or none that can be simulated",
        hint="diagnose a recipe with int8 weights, such as int8 or int8-dynamic",
    )


def _take_inputs(order: Order, samples: int) -> tuple[str, list[list[torch.Tensor]]]:
    subject = order.subject
    if subject.workload.calibration is None:
        return "example", [subject.flatten_inputs(subject.args)]
    count = order.survey.calibration.samples if order.survey else samples
    step = max(1, count // samples)
    return "calibration", list(_spread(read_calibration(subject), step, samples))


def _spread(samples: Iterator[list[torch.Tensor]], step: int, most: int) -> Iterator[list[torch.Tensor]]:
    """Every `step`-th of `samples`, `most` at most, for as long as they fit into memory."""
    size = taken = 0
    for index, leaves in enumerate(samples):
        if taken == most:
            return
        if index % step:
            continue
        size += sum(leaf.nbytes for leaf in leaves)
        if taken and size > _SAMPLE_BYTES:
            return
        taken += 1
        yield leaves
