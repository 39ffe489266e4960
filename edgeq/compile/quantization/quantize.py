"""PT2E quantization: annotate and insert observers, run the calibration set, convert."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgeq.compile.calibration.coverage import Watch
from edgeq.compile.evaluation.accuracy import as_arrays
from edgeq.compile.quantization.groupwise import quantize_groups
from edgeq.compile.quantization.overrides import Plan
from edgeq.compile.quantization.proof import Proof
from edgeq.compile.quantization.quantizer import ClampAwareQuantizer


@dataclass(frozen=True)
class Quantized:
    """The converted module, and what was seen of its ranges; None when they are taken at run time."""

    module: torch.fx.GraphModule
    watch: Watch | None


@dataclass(frozen=True)
class Observed:
    """A module with observers that have seen the calibration set, and what was seen of the ranges."""

    module: torch.fx.GraphModule
    watch: Watch | None


def quantize_program(
    program: ExportedProgram, plan: Plan, samples: Iterable[tuple[object, ...]], count: int
) -> Quantized:
    """Quantize `program` by `plan`; the `samples`, `count` of them, go through the observers one by one.

    Raises:
        RecipeError: an override selects nothing that is quantized.
        ExportError: PT2E changed the function, before anything was rounded.
    """
    observed = observe_program(program, plan, samples, count)
    converted = convert_pt2e(observed.module)
    quantize_groups(converted, plan)
    return Quantized(converted, observed.watch)


def observe_program(
    program: ExportedProgram, plan: Plan, samples: Iterable[tuple[object, ...]], count: int
) -> Observed:
    """The first half of `quantize_program`: annotate, insert observers, run the samples.

    Raises:
        RecipeError: an override selects nothing that is quantized.
        ExportError: PT2E changed the function, before anything was rounded.
    """
    prepared = insert_observers(program, plan)
    proof = Proof(program)
    watch = Watch(prepared, count) if plan.recipe.needs_calibration else None
    with torch.no_grad():
        for sample in samples:
            drawn = torch.get_rng_state()
            outputs = pytree.tree_leaves(prepared(*sample))
            proof.compare(sample, outputs, drawn)
            if watch is not None:
                watch.end_sample(as_arrays(outputs))
    if watch is not None:
        watch.finish()
    return Observed(prepared, watch)


def insert_observers(program: ExportedProgram, plan: Plan) -> torch.fx.GraphModule:
    """A copy of `program` with an observer, which has seen nothing, at each tensor that `plan` quantizes.

    Raises:
        RecipeError: an override selects nothing that is quantized.
    """
    return prepare_pt2e(program.module(), ClampAwareQuantizer(plan))
