"""Rewrites and equalizes an exported program, and proves on data that the function is the same."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from edgeq.compile.recipe import REWRITES, Recipe
from edgeq.compile.rewrites.constant_weights import rewrite_constant_weights
from edgeq.compile.rewrites.draft import Draft
from edgeq.compile.rewrites.equalize import equalize_layers
from edgeq.compile.rewrites.global_mean import rewrite_global_mean
from edgeq.compile.rewrites.hard_sigmoid import rewrite_hard_sigmoid
from edgeq.compile.rewrites.hard_swish import rewrite_hard_swish
from edgeq.compile.rewrites.own_weights import separate_layers
from edgeq.compile.rewrites.recurrence import rewrite_recurrences
from edgeq.errors import ExportError, RecipeError

_FUNCTIONS: dict[str, Callable[[Draft], int]] = {
    "recurrence": rewrite_recurrences,
    "constant-weights": rewrite_constant_weights,
    "hard-swish": rewrite_hard_swish,
    "hard-sigmoid": rewrite_hard_sigmoid,
    "global-mean": rewrite_global_mean,
}

EQUALIZE = "equalize"

# Not a recipe's choice: folding batch norms, which is part of quantizing, is right only after it.
OWN_WEIGHTS = "own-weights"

# Largest difference of an output, relative to its largest value, that rounding of FP32 explains.
TOLERANCE = 1e-5

# On how many samples it is proved, the example inputs among them: each runs once through every step.
PROOF_SAMPLES = 4


@dataclass(frozen=True)
class Step:
    """A rewrite or the equalization, where it fits: its name, the number of places, the program after it."""

    name: str
    places: int
    program: ExportedProgram


def rewrite_program(program: ExportedProgram, recipe: Recipe) -> tuple[Step, ...]:
    """Apply the rewrites of `recipe` one after another, on copies, and equalize when it says so.

    Where batch norms are folded, which is not in training, their layers get weights of their own. What fits
    nowhere gives no step.

    Raises:
        RecipeError: there is nothing to equalize.
    """
    functions = {name: _FUNCTIONS[name] for name in REWRITES if name in recipe.rewrites}
    if recipe.is_quantized and not recipe.training:
        functions[OWN_WEIGHTS] = separate_layers
    if recipe.equalize:
        functions[EQUALIZE] = equalize_layers
    steps: list[Step] = []
    for name, function in functions.items():
        draft = Draft(steps[-1].program if steps else program)
        if places := function(draft):
            steps.append(Step(name, places, draft.finish()))
        elif name == EQUALIZE:
            raise RecipeError(
                f"recipe {recipe.name!r} equalizes, and no two layers have ReLU or nothing between them",
                hint="not across ReLU6, hard-swish or a branch: leave `equalize` out of the recipe",
            )
    return tuple(steps)


def require_equal(
    program: ExportedProgram, steps: Iterable[Step], samples: Iterable[tuple[Any, ...]]
) -> None:
    """Run `program` and each of `steps` on `samples`, and compare all outputs.

    Raises:
        ExportError: the outputs after a step differ by more than TOLERANCE; the step is named.
    """
    stages = [(step, step.program.module()) for step in steps]
    if not stages:
        return
    original = program.module()
    with torch.no_grad():
        for sample in samples:
            expected = pytree.tree_leaves(original(*sample))
            for step, module in stages:
                error = max(map(difference, expected, pytree.tree_leaves(module(*sample))), default=0.0)
                if not error <= TOLERANCE:
                    raise ExportError(
                        f"{step.name!r} changed the function: outputs differ by {error:.2g} of "
                        f"their largest value; {TOLERANCE:.0e} is allowed ({step.places} places changed)",
                        hint=f"leave {step.name!r} out of the recipe, and please report it",
                    )


def difference(expected: torch.Tensor, got: torch.Tensor) -> float:
    """Largest absolute difference over the largest finite magnitude; NaN and infinity must be the same."""
    if not expected.is_floating_point():
        return 0.0 if torch.equal(expected, got) else float("inf")
    finite = torch.isfinite(expected)
    if not torch.allclose(expected[~finite], got[~finite], equal_nan=True):
        return float("inf")
    expected, got = expected[finite].double(), got[finite].double()
    if expected.numel() == 0:
        return 0.0
    largest = float(expected.abs().max())
    error = float((expected - got).abs().max())
    return error / largest if largest else error
