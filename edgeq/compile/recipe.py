"""How to make a program of a model: the recipes, as data.

A recipe promises INT8 for every layer that multiplies by weights (linear, convolution, transposed
convolution, LSTM and the like). Such a layer that it cannot quantize is an error that names the layer, never
a layer left in FP32. Embeddings, normalization and other weights that only look up or scale stay FP32.
"""

from typing import Literal

from edgeq.errors import RecipeError
from edgeq.results.records import Record


class Recipe(Record, frozen=True, kw_only=True):
    """Quantizer settings under a name.

    Attributes:
        weights: precision of the weights.
        activations: `fp32`; `static`, INT8 with ranges from calibration; or `dynamic`, INT8 with ranges
            taken at each inference.
        per_channel: one scale for each output channel of a weight, else one for the whole weight.
        summary: one line for people.
    """

    name: str
    weights: Literal["fp32", "int8"]
    activations: Literal["fp32", "static", "dynamic"]
    per_channel: bool
    summary: str

    @property
    def is_quantized(self) -> bool:
        """Whether the recipe quantizes at all."""
        return self.weights != "fp32"

    @property
    def needs_calibration(self) -> bool:
        """Whether the workload must bring calibration data."""
        return self.activations == "static"


_ALL = (
    Recipe(
        name="fp32",
        weights="fp32",
        activations="fp32",
        per_channel=False,
        summary="no quantization; the baseline",
    ),
    Recipe(
        name="int8",
        weights="int8",
        activations="static",
        per_channel=True,
        summary="weights INT8 per channel, activations INT8 with calibrated ranges",
    ),
    Recipe(
        name="int8-per-tensor",
        weights="int8",
        activations="static",
        per_channel=False,
        summary="as int8, with one scale for each weight tensor",
    ),
    Recipe(
        name="int8-dynamic",
        weights="int8",
        activations="dynamic",
        per_channel=True,
        summary="weights INT8 per channel, activations quantized at each inference; needs no calibration",
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
DEFAULT_RECIPE = "int8"


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        RecipeError: there is none; the hint lists the names.
    """
    if name not in RECIPES:
        raise RecipeError(f"no recipe {name!r}", hint=f"the recipes are {', '.join(RECIPES)}")
    return RECIPES[name]
