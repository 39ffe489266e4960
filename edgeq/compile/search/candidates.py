"""Which recipes a search tries, from the one that it starts with. No torch here."""

from collections.abc import Sequence

from msgspec.structs import replace

from edgeq.compile.recipe import AnyObserver, Histogram, MeanSquare, MinMax, Override, Percentile, Recipe
from edgeq.errors import RecipeError

# The moving average depends on the order of the samples, and is left out.
_OBSERVERS: tuple[AnyObserver, ...] = (Histogram(), MinMax(), Percentile(), MeanSquare())


def require_searchable(recipe: Recipe) -> Recipe:
    """`recipe`, if a search can start with it.

    Raises:
        RecipeError: it quantizes nothing, trains, or has 4-bit weights.
    """
    precisions = {recipe.weights, *(override.precision for override in recipe.overrides)}
    if not recipe.is_quantized or recipe.training or "int4" in precisions:
        raise RecipeError(
            f"a search cannot start with the recipe {recipe.name!r}: its trials are simulated",
            hint="start with int8, int8-per-tensor or int8-dynamic, or a recipe that extends one of them",
        )
    return recipe


def list_corrections(start: Recipe) -> list[Recipe]:
    """`start` with equalization, bias correction, and both, where it has them not and may have them."""
    found = []
    for equalize, correct in ((True, False), (False, True), (True, True)):
        if correct and not start.needs_calibration:
            continue
        recipe = replace(
            start,
            name=start.name + "-equalized" * equalize + "-corrected" * correct,
            equalize=start.equalize or equalize,
            bias_correction=start.bias_correction or correct,
        )
        if (recipe.equalize, recipe.bias_correction) != (start.equalize, start.bias_correction):
            found.append(recipe)
    return found


def list_observers(recipe: Recipe) -> list[Recipe]:
    """`recipe` with every other observer; none when it takes no ranges from calibration."""
    if recipe.observer is None:
        return []
    return [
        replace(recipe, name=f"{recipe.name}-{observer_kind(observer)}", observer=observer)
        for observer in _OBSERVERS
        if type(observer) is not type(recipe.observer)
    ]


def leave_out(recipe: Recipe, layers: Sequence[Override]) -> Recipe:
    """`recipe` with `layers`, overrides that leave them in FP32, at the end of its own."""
    count = len(layers)
    return replace(recipe, name=f"{recipe.name}-fp32x{count}", overrides=(*recipe.overrides, *layers))


def observer_kind(observer: AnyObserver) -> str:
    """The name that a recipe file calls an observer by."""
    return str(observer.__struct_config__.tag)
