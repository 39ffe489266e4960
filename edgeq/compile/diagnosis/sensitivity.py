"""Which layers the accuracy is lost in: each quantized alone, and each left out of a quantized model.

Trials are simulated on the host (`simulate`): the outputs are those of the converted model, before lowering.
A layer here is all that one override of a recipe selects: a module with weights and what is fused behind it,
or the additions, multiplications and the like of one module.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from torch.fx import Node

from edgeq.compile.calibration.calibrate import Progress
from edgeq.compile.diagnosis.study import Study, Trial, judge, simulate
from edgeq.compile.quantization.layers import Layer, count_macs, find_layers
from edgeq.compile.quantization.overrides import apply_overrides, paths_of
from edgeq.compile.quantization.quantize import insert_observers
from edgeq.compile.quantization.quantizer import own_inputs
from edgeq.compile.recipe import Override
from edgeq.errors import RecipeError
from edgeq.results.records import Missing, Record


@dataclass(frozen=True)
class Part:
    """What one override selects: its name and kind for people, and what it costs.

    Attributes:
        module: the user's module; empty for operators of the root.
        override: leaves it in FP32.
        macs: multiply-accumulates of one inference, of all that `override` reaches.
    """

    module: str
    kind: str
    override: Override
    macs: int


class LayerSensitivity(Record, frozen=True, kw_only=True):
    """What one layer does to the model's outputs.

    Attributes:
        module: the user's module, empty for operators of the root module.
        kind: such as `conv2d`, `linear`, `add`.
        override: leaves it in FP32; goes into a recipe as it is.
        macs: multiply-accumulates of one inference, of all that the override reaches; 0 without weights.
        share: of the multiply-accumulates of the whole model. Shares of a module and of one in it overlap.
        alone: only this layer quantized.
        left_out: all that the recipe quantizes, but for this layer.
    """

    module: str
    kind: str
    override: Override
    macs: int
    share: float
    alone: Trial | Missing
    left_out: Trial | Missing


class Sensitivity(Record, frozen=True, kw_only=True):
    """All layers of a model under a recipe.

    Attributes:
        whole: the recipe as it is.
        layers: worst first: those that gain most by being left out, then the untried by how much they lose
            alone, then those without any trial.
        trials: how many were made, of how many there could be.
        seconds: what they took.
    """

    recipe: str
    whole: Trial
    layers: tuple[LayerSensitivity, ...]
    trials: tuple[int, int]
    seconds: float

    def gain_db(self, layer: LayerSensitivity) -> float | None:
        """By how many dB the SQNR rises when `layer` is left in FP32; None when that was not tried."""
        if isinstance(layer.left_out, Missing):
            return None
        return layer.left_out.sqnr_db - self.whole.sqnr_db


def measure_sensitivity(
    study: Study,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    evaluate: bool = False,
    suspects: Sequence[Override] = (),
    announce: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Sensitivity:
    """Try every layer alone, then leave each out, the worst first, for as long as the budget lasts.

    The trial of the whole recipe comes first and is no part of the budget; from it the time of all is
    estimated and announced. Each trial is judged by the SQNR of the model's outputs on the inputs of the
    study and, with `evaluate`, by the workload's own metrics. `suspects` are the parts to try before the
    others; half of the budget is then kept for leaving the worst of them out.
    """
    parts, share = sorted(list_parts(study), key=lambda each: _place(each, suspects)), 0.5 if suspects else 1
    started = time.monotonic()
    whole = judge(study, simulate(study), evaluate=evaluate)
    series = _Trials(study, 2 * len(parts), trials, seconds, evaluate, progress)
    announce(
        f"{len(parts)} layers, {series.planned} of {series.total} trials on {len(study.inputs)} inputs: "
        f"about {series.planned * (time.monotonic() - started):.0f} s"
        + ("" if seconds is None else f", {seconds:g} s at most")
    )
    alone = {part: series.attempt(*_all_but(study, parts, part), share=share) for part in parts}
    worst_first = sorted(parts, key=lambda part: _decibels(alone[part]))
    left_out = {part: series.attempt(part.override) for part in worst_first}
    macs = max(sum(_macs_of_nodes(study, name_parts(study)).values()), 1)
    layers = [
        LayerSensitivity(
            module=part.module,
            kind=part.kind,
            override=part.override,
            macs=part.macs,
            share=part.macs / macs,
            alone=alone[part],
            left_out=left_out[part],
        )
        for part in worst_first
    ]
    return Sensitivity(
        recipe=study.recipe.name,
        whole=whole,
        layers=tuple(sorted(layers, key=_badness)),
        trials=(series.made, series.total),
        seconds=time.monotonic() - started,
    )


def _place(part: Part, suspects: Sequence[Override]) -> int:
    return suspects.index(part.override) if part.override in suspects else len(suspects)


def _all_but(study: Study, parts: list[Part], part: Part) -> list[Override]:
    """Overrides that quantize `part` alone.

    They leave out the other parts, not all operators: a ReLU is quantized as a part of the layer before it.
    The last one decides, where an override of another part reaches this one, too.
    """
    others = [other.override for other in parts if other is not part]
    return [*others, replace(part.override, precision=study.recipe.weights)]


@dataclass
class _Trials:
    """Makes trials of a study within a budget: so many, and none begun after so many seconds."""

    study: Study
    total: int
    most: int | None
    seconds: float | None
    evaluate: bool
    progress: Progress
    made: int = 0

    def __post_init__(self) -> None:
        self._started = time.monotonic()

    @property
    def planned(self) -> int:
        return self.total if self.most is None else min(self.total, self.most)

    def attempt(self, *overrides: Override, share: float = 1.0) -> Trial | Missing:
        """The trial of the recipe with `overrides`, or the reason why there is none.

        `share` of the budget is what this and earlier trials may take.
        """
        of = "half of " if share < 1 else ""
        if self.most is not None and self.made >= self.most * share:
            return Missing(missing=f"not tried: {of}the budget of {self.most} trials was spent")
        if self.seconds is not None and time.monotonic() - self._started > self.seconds * share:
            return Missing(missing=f"not tried: {of}the budget of {self.seconds:g} s was spent")
        try:
            trial: Trial | Missing = judge(
                self.study, simulate(self.study, overrides), evaluate=self.evaluate
            )
        except RecipeError as error:
            trial = Missing(missing=error.message)
        self.made += 1
        self.progress("trying layers", self.made, self.planned)
        return trial


def list_parts(study: Study) -> list[Part]:
    """All that the recipe quantizes and an override can leave out, in order of execution."""
    # The layers of one module, as those of an unrolled loop, are one part.
    named = name_parts(study)
    parts = list({part.override: part for part in named.values()}.values())
    macs = _macs_of_nodes(study, named)
    reached = _list_reached(study, [part.override for part in parts])
    return [
        dataclasses.replace(part, macs=sum(macs.get(node, 0) for node in nodes))
        for part, nodes in zip(parts, reached, strict=True)
    ]


def list_shares(study: Study, overrides: Sequence[Override]) -> list[float]:
    """What each override adds to the share of the multiply-accumulates that those before it leave in FP32.

    Of a module that has weights and children, the override reaches the children, too.
    """
    macs = _macs_of_nodes(study, name_parts(study))
    total, seen, shares = max(sum(macs.values()), 1), set[str](), []
    for nodes in _list_reached(study, overrides):
        shares.append(sum(macs.get(node, 0) for node in nodes - seen) / total)
        seen |= nodes
    return shares


def _list_reached(study: Study, overrides: Sequence[Override]) -> tuple[frozenset[str], ...]:
    """The operators that each override selects, by node name."""
    recipe = replace(study.recipe, overrides=tuple(overrides))
    return apply_overrides(study.order.program, recipe).selected


def _macs_of_nodes(study: Study, parts: dict[str, Part]) -> dict[str, int]:
    """Multiply-accumulates of each quantized operator that has any, by node name."""
    nodes = {node.name: node for node in study.order.program.graph.nodes}
    return {name: count_macs(nodes[name]) for name, part in parts.items() if part.macs}


def name_parts(study: Study) -> dict[str, Part]:
    """What each quantized operator is a part of, by node name, in order of execution."""
    order = study.order
    prepared = insert_observers(order.program, order.plan)
    quantized = {node.name for node in prepared.graph.nodes if own_inputs(node)}
    layers = {
        call.node: layer for layer in find_layers(order.program) if layer.multiplies for call in layer.calls
    }
    return {
        node.name: _part_of(node, layers.get(node.name))
        for node in order.program.graph.nodes
        if node.name in quantized
    }


def _part_of(node: Node, layer: Layer | None) -> Part:
    if layer is not None:
        override = Override(module=layer.module, precision="fp32")
        return Part(layer.module, layer.kind, override, count_macs(node))
    kind = str(node.target).removeprefix("aten.").partition(".")[0]
    paths = paths_of(node)
    module = paths[-1] if paths else ""
    return Part(module, kind, Override(module=module or None, operator=kind, precision="fp32"), 0)


def _decibels(trial: Trial | Missing) -> float:
    return math.inf if isinstance(trial, Missing) else trial.sqnr_db


def _badness(layer: LayerSensitivity) -> tuple[int, float]:
    """Key that sorts the worst layer first."""
    if not isinstance(layer.left_out, Missing):
        return 0, -layer.left_out.sqnr_db
    return (1, layer.alone.sqnr_db) if not isinstance(layer.alone, Missing) else (2, 0.0)
