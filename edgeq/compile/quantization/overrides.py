"""Finds the operators that a recipe's overrides select, and says what the recipe asks of each operator.

Operators are those of the exported program, before quantization: their names stay the same afterwards.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch.export import ExportedProgram
from torch.fx import Node

from edgeq.compile.quantization.layers import find_layers
from edgeq.compile.recipe import AnyObserver, Override, Precision, Recipe, describe_selectors
from edgeq.compile.rewrites.recurrence import ORIGIN, is_inside_step
from edgeq.errors import RecipeError

_SHOWN = 8


@dataclass(frozen=True)
class Setting:
    """What is asked of one operator; the observer is None when no static range is taken."""

    precision: Precision
    observer: AnyObserver | None
    per_channel: bool


@dataclass(frozen=True)
class Plan:
    """A recipe applied to a program.

    Attributes:
        recipe: the recipe.
        settings: by node name, for each operator that an override selects.
        selected: the node names that each override selects, in the order of the overrides.
        promised: the layers that the recipe promises to quantize, whether or not the quantizer can do it.
    """

    recipe: Recipe
    settings: Mapping[str, Setting]
    selected: tuple[frozenset[str], ...]
    promised: frozenset[str]

    def setting_of(self, node: str) -> Setting:
        """What is asked of the operator of this name."""
        return self.settings.get(node) or _setting_of(self.recipe)


def apply_overrides(program: ExportedProgram, recipe: Recipe) -> Plan:
    """Match the overrides of `recipe` with the operators of `program`.

    Raises:
        RecipeError: an override matches nothing; near names are given.
    """
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    # Of a recurrent layer the products with weights can be quantized. Rounded to 8 bits at each step, the
    # state itself would lose more than they save.
    settings = {node.name: Setting("fp32", None, per_channel=False) for node in nodes if is_inside_step(node)}
    calls = [(node, _names_of(node, program)) for node in nodes if node.name not in settings]
    selected = []
    for override in recipe.overrides:
        matched = [node.name for node, names in calls if _matches(override, names)]
        if not matched:
            raise _refuse(override, recipe, [names for _, names in calls])
        selected.append(frozenset(matched))
        for name in matched:
            settings[name] = _changed(settings.get(name) or _setting_of(recipe), override)
    promised = frozenset(
        call.node for layer in find_layers(program) if layer.multiplies for call in layer.calls
    )
    return Plan(recipe, settings, tuple(selected), promised)


def require_effect(plan: Plan, quantized: frozenset[str], ranged: frozenset[str]) -> None:
    """Check that each override selects an operator that it can change.

    `quantized` are the operators that the quantizer takes when nothing is left out, `ranged` those of them
    that have a range of their own.

    Raises:
        RecipeError: one selects only operators that the quantizer leaves alone or computes in another one.
    """
    for override, selected in zip(plan.recipe.overrides, plan.selected, strict=True):
        what = f"recipe {plan.recipe.name!r}: the override for {describe_selectors(override)}"
        effective = quantized if override.precision in (None, "int8") else quantized | plan.promised
        if not selected & effective:
            raise RecipeError(
                f"{what} selects only {_listed(sorted(selected))}, which have no INT8 of their own",
                hint="a clamp or norm behind a layer is computed in that layer: select the layer",
            )
        if override.observer is not None and not selected & ranged:
            raise RecipeError(
                f"{what} gives an observer to {_listed(sorted(selected))}, which keep their input's range",
                hint="select the operator that makes the input",
            )


def paths_of(node: Node) -> list[str]:
    """The user's modules that `node` is computed in, from the outermost; the root is not among them."""
    stack = node.meta.get("nn_module_stack") or {}
    # A module that is called again has the number of the call behind an @.
    return [path.partition("@")[0] for path, _ in stack.values() if path]


def _setting_of(recipe: Recipe) -> Setting:
    return Setting(recipe.weights, recipe.observer, recipe.per_channel)


def _changed(setting: Setting, override: Override) -> Setting:
    return Setting(
        override.precision or setting.precision,
        override.observer or setting.observer,
        setting.per_channel if override.per_channel is None else override.per_channel,
    )


def _names_of(node: Node, program: ExportedProgram) -> dict[str, list[str]]:
    """All names that each selector may call `node` by."""
    stack = node.meta.get("nn_module_stack") or {}
    types = [
        kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        for _, kind in stack.values()
    ]
    target = str(node.target).removeprefix("torch.ops.")
    _, recurrent = node.meta.get(ORIGIN, (None, None))
    return {
        "module": [*paths_of(node), *_owners(node, program)],
        "module_type": [name for kind in types for name in (kind.rpartition(".")[2], kind)],
        "operator": [
            target,
            ".".join(target.split(".")[:2]),
            target.split(".")[1 if "." in target else 0],
            *([recurrent] if recurrent else []),
        ],
    }


def _owners(node: Node, program: ExportedProgram) -> list[str]:
    """The modules of the weights that `node` takes: a program from a `.pt2` file knows no others."""
    parameters = program.graph_signature.inputs_to_parameters
    weights = [parameters[each.name] for each in node.all_input_nodes if each.name in parameters]
    return [weight.rpartition(".")[0] or weight for weight in weights]


def _matches(override: Override, names: Mapping[str, list[str]]) -> bool:
    return all(
        any(fnmatchcase(name, pattern) for name in names[key]) for key, pattern in override.selectors.items()
    )


def _refuse(override: Override, recipe: Recipe, calls: list[dict[str, list[str]]]) -> RecipeError:
    hints = []
    for key, pattern in override.selectors.items():
        names = list(dict.fromkeys(name for call in calls for name in call[key]))
        if any(fnmatchcase(name, pattern) for name in names):
            continue
        near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.5)
        hints.append(
            f"near to {key} {pattern!r}: {', '.join(near)}" if near else f"{key} may be {_listed(names)}"
        )
    return RecipeError(
        f"recipe {recipe.name!r}: the override for {describe_selectors(override)} matches nothing",
        hint="; ".join(hints) or "each selector matches something, but no operator matches all of them",
    )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
