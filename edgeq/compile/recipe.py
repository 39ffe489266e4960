"""How to make a program of a model: the recipes, as data.

A recipe promises its precision for every layer that multiplies by weights (linear, convolution, transposed
convolution, LSTM and the like), but for those that its overrides leave in FP32. Such a layer that it cannot
quantize is an error that names the layer, never a layer left in FP32. Embeddings, normalization and other
weights that only look up or scale stay FP32.
"""

import difflib
import re
from typing import Annotated, Any, Literal

import msgspec

from edgeq.compile.observer_kinds import OBSERVERS as OBSERVERS
from edgeq.compile.observer_kinds import AnyObserver as AnyObserver
from edgeq.compile.observer_kinds import Histogram as Histogram
from edgeq.compile.observer_kinds import MeanSquare as MeanSquare
from edgeq.compile.observer_kinds import MinMax as MinMax
from edgeq.compile.observer_kinds import MovingAverage as MovingAverage
from edgeq.compile.observer_kinds import Percentile as Percentile
from edgeq.errors import RecipeError
from edgeq.results.records import Record

Precision = Literal["fp32", "int8", "int4"]

# How many weights of 4 bits share a scale. XNNPACK's kernels take multiples of 32 (XNN_MIN_BLOCKSIZE).
Group = Annotated[int, msgspec.Meta(ge=32, multiple_of=32)]

# The name becomes part of a folder's name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


# What can be written in another form before quantization, each proved equal on data before it is used;
# `compile/rewrites/rewrite.py` has the functions. They are applied in this order.
REWRITES: dict[str, str] = {
    "recurrence": "LSTM, GRU and RNN as linear layers, step by step: one delegate, and they can be quantized",
    "constant-weights": "weights and biases that are computed from weights alone are computed once",
    "hard-swish": "hard-swish in parts becomes one operator, and the layer before it clamps where it is zero",
    "hard-sigmoid": "hard-sigmoid behind a layer becomes a clamp of that layer, its weights scaled",
    "global-mean": "a mean over height and width keeps its dimensions: one delegate instead of two",
}


class Override(Record, omit_defaults=True, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is to be different for the operators that all of the given selectors match.

    Attributes:
        module: glob over the user's module names; a module stands for all that is in it.
        module_type: glob over class names of modules, such as `Linear`, with their package or without.
        operator: glob over operators, such as `add` or `aten.conv2d.default`.
        precision: `fp32` leaves them out of quantization, `int8` takes them in again; `int4` gives linear
            layers weights of 4 bits.
        observer: for the ranges of their outputs, and of their inputs where no quantized operator makes them.
        per_channel: as in the recipe, for their weights.
    """

    module: str | None = None
    module_type: str | None = None
    operator: str | None = None
    precision: Precision | None = None
    observer: AnyObserver | None = None
    per_channel: bool | None = None

    @property
    def selectors(self) -> dict[str, str]:
        """The selectors that are given, by key."""
        given = {"module": self.module, "module_type": self.module_type, "operator": self.operator}
        return {key: pattern for key, pattern in given.items() if pattern is not None}

    def __post_init__(self) -> None:
        if not self.selectors:
            raise RecipeError(
                "an override selects nothing", hint="give it a module, a module_type or an operator"
            )
        shown = describe_selectors(self)
        if self.precision is None and self.observer is None and self.per_channel is None:
            raise RecipeError(
                f"the override for {shown} changes nothing",
                hint="give it a precision, an observer or per_channel",
            )
        if self.precision == "fp32" and (self.observer is not None or self.per_channel is not None):
            raise RecipeError(
                f"the override for {shown} leaves it in fp32 and gives it an observer or per_channel",
                hint="what stays in fp32 has neither; remove one of the two",
            )


class Recipe(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Quantizer settings under a name.

    Attributes:
        weights: precision of the weights.
        activations: `fp32`; `static`, INT8 with ranges from calibration; or `dynamic`, INT8 with ranges
            taken at each inference.
        per_channel: one scale for each output channel of a weight, else one for the whole weight.
        group: how many weights of 4 bits share a scale; None where there are none.
        observer: how static ranges are chosen; None otherwise.
        training: whether the workload's train() trains the model under the quantization; static only, the
            ranges are then those of the training data.
        overrides: what is different for some operators. Where several match, the last one decides.
        rewrites: which of REWRITES are applied to the program before it is quantized.
        equalize: whether the ranges of channels are brought together across layers after that.
        bias_correction: whether the mean output of each quantized layer is moved to what it is in FP32.
        channels_last: whether the program takes its inputs of four dimensions, (N, C, H, W), with the
            channels last in memory.
        summary: one line for people.
    """

    name: str
    weights: Precision
    activations: Literal["fp32", "static", "dynamic"]
    per_channel: bool
    summary: str
    group: Group | None = None
    observer: AnyObserver | None = None
    training: bool = False
    overrides: tuple[Override, ...] = ()
    rewrites: tuple[str, ...] = ()
    equalize: bool = False
    bias_correction: bool = False
    channels_last: bool = False

    @property
    def is_quantized(self) -> bool:
        """Whether the recipe quantizes at all."""
        return self.weights != "fp32"

    @property
    def needs_calibration(self) -> bool:
        """Whether the workload must bring calibration data."""
        return self.activations == "static" and not self.training

    def __post_init__(self) -> None:
        what = f"recipe {self.name!r}"
        if not _NAME.fullmatch(self.name):
            raise RecipeError(f"{what}: not a name", hint="letters, digits, dots, dashes and underscores")
        if (self.weights == "fp32") != (self.activations == "fp32"):
            raise RecipeError(
                f"{what}: weights {self.weights} with activations {self.activations}",
                hint="either both are fp32, or neither: weights int8 or int4, activations static or dynamic",
            )
        _require_group(self)
        _require_trainable(self)
        if self.overrides and not self.is_quantized:
            raise RecipeError(f"{what} quantizes nothing and has overrides", hint="extend int8 instead")
        _require_fitting_observers(self)
        _require_rewrites(self)
        if self.equalize and not self.is_quantized:
            raise RecipeError(f"{what} quantizes nothing and is equalized", hint="extend int8 instead")
        if self.bias_correction and not self.needs_calibration:
            raise RecipeError(
                f"{what} corrects biases, but its activations are {self.activations}",
                hint="the correction is taken from calibration; extend int8 instead",
            )


def _require_fitting_observers(recipe: Recipe) -> None:
    what = f"recipe {recipe.name!r}"
    if recipe.activations == "static":
        if recipe.observer is None:
            raise RecipeError(
                f"{what} has static activations and no observer", hint=f"one of {', '.join(OBSERVERS)}"
            )
        return
    if recipe.observer is not None or any(override.observer is not None for override in recipe.overrides):
        raise RecipeError(
            f"{what} names an observer, but its activations are {recipe.activations}",
            hint="only static activations have ranges from calibration; extend int8 instead",
        )


def _require_trainable(recipe: Recipe) -> None:
    what = f"recipe {recipe.name!r}"
    if recipe.training and recipe.activations != "static":
        raise RecipeError(
            f"{what} trains, but its activations are {recipe.activations}", hint="extend int8-qat instead"
        )
    if recipe.training and recipe.equalize:
        raise RecipeError(
            f"{what} trains and equalizes", hint="leave `equalize` out: training moves the weights itself"
        )
    observers = (recipe.observer, *(override.observer for override in recipe.overrides))
    for observer in observers if recipe.training else ():
        if observer is not None and not isinstance(observer, MinMax | MovingAverage):
            raise RecipeError(
                f"{what} trains with an observer that is too slow for each step of a training",
                hint="use min-max or moving-average",
            )


def _require_group(recipe: Recipe) -> None:
    what = f"recipe {recipe.name!r}"
    has_int4 = "int4" in (recipe.weights, *(override.precision for override in recipe.overrides))
    if has_int4 and recipe.activations != "dynamic":
        raise RecipeError(
            f"{what} has int4 weights, but its activations are {recipe.activations}",
            hint="XNNPACK multiplies them by dynamic activations only; extend int4-weight",
        )
    if has_int4 and recipe.group is None:
        raise RecipeError(f"{what} has int4 weights and no group", hint="say `group = 32`")
    if recipe.group is not None and not has_int4:
        raise RecipeError(
            f"{what} has a group, but no int4 weights", hint="remove the group, or extend int4-weight"
        )


def _require_rewrites(recipe: Recipe) -> None:
    for name in recipe.rewrites:
        if name not in REWRITES:
            near = difflib.get_close_matches(name, REWRITES, n=1)
            raise RecipeError(
                f"recipe {recipe.name!r}: no rewrite {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                hint=f"the rewrites are {', '.join(REWRITES)}",
            )
    if len(set(recipe.rewrites)) < len(recipe.rewrites):
        raise RecipeError(
            f"recipe {recipe.name!r} names a rewrite twice", hint="each is applied once, wherever it fits"
        )


def require_own_name(recipe: Recipe) -> Recipe:
    """`recipe`, unless it is another one under a built-in name: its artifact would say what it is not.

    Raises:
        RecipeError: it is.
    """
    if recipe != RECIPES.get(recipe.name, recipe):
        raise RecipeError(
            f"{recipe.name!r} is the name of a built-in recipe, and this is another one",
            hint="give it a name of its own",
        )
    return recipe


def describe_selectors(override: Override) -> str:
    """E.g. `module 'head', operator 'add'`."""
    return ", ".join(f"{key} {pattern!r}" for key, pattern in override.selectors.items())


def extend_recipe(base: Recipe | str, **changes: Any) -> Recipe:  # noqa: ANN401 - fields of several types
    """`base`, or the recipe of that name, with `changes` of its fields; its overrides come first.

    Raises:
        RecipeError: no such recipe or field, or the result makes no sense.
    """
    found = find_recipe(base) if isinstance(base, str) else base
    valid = found.__struct_fields__
    for key in changes:
        if key not in valid:
            raise RecipeError(f"a recipe has no {key!r}", hint=f"it has {', '.join(valid)}")
    own: tuple[Override, ...] = tuple(changes.pop("overrides", ()))
    return msgspec.structs.replace(found, overrides=(*found.overrides, *own), **changes)


# Right for every network: nothing is lost where they change nothing.
_ALWAYS = ("recurrence", "constant-weights", "hard-swish", "hard-sigmoid", "global-mean")

_ALL = (
    Recipe(
        name="fp32",
        weights="fp32",
        activations="fp32",
        per_channel=False,
        rewrites=_ALWAYS,
        summary="no quantization; the baseline",
    ),
    Recipe(
        name="int8",
        weights="int8",
        activations="static",
        per_channel=True,
        observer=Histogram(),
        rewrites=_ALWAYS,
        summary="weights INT8 per channel, activations INT8 with calibrated ranges",
    ),
    Recipe(
        name="int8-per-tensor",
        weights="int8",
        activations="static",
        per_channel=False,
        observer=Histogram(),
        rewrites=_ALWAYS,
        summary="as int8, with one scale for each weight tensor",
    ),
    Recipe(
        name="int8-dynamic",
        weights="int8",
        activations="dynamic",
        per_channel=True,
        rewrites=_ALWAYS,
        summary="weights INT8 per channel, activations quantized at each inference; needs no calibration",
    ),
    Recipe(
        name="int4-weight",
        weights="int4",
        activations="dynamic",
        per_channel=True,
        group=32,
        rewrites=_ALWAYS,
        summary="weights INT4 in groups of 32, activations as int8-dynamic; for linear layers",
    ),
    Recipe(
        name="int8-qat",
        weights="int8",
        activations="static",
        per_channel=True,
        observer=MovingAverage(),
        training=True,
        rewrites=_ALWAYS,
        summary="as int8, after training with the rounding in place: the workload's train()",
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
DEFAULT_RECIPE = "int8"


def find_recipe(name: str) -> Recipe:
    """The built-in recipe called `name`.

    Raises:
        RecipeError: there is none; the hint lists the names.
    """
    if name not in RECIPES:
        raise RecipeError(
            f"no recipe {name!r}",
            hint=f"the recipes are {', '.join(RECIPES)}; a .toml or .py file or an artifact's folder is one",
        )
    return RECIPES[name]
