"""Verifies that what the recipe asked for was done: every layer that holds weights, by count and by bytes.

Quantizers skip what they have no pattern for, and say nothing. So the layers are taken from the exported
program before quantization, found again in the converted one, and counted once more in the lowered one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgeq.artifact import QuantizedLayer
from edgeq.compile.lowering.lower import Lowered
from edgeq.compile.quantization.groupwise import HIGHEST, LOWEST
from edgeq.compile.quantization.layers import Layer, constant_of
from edgeq.compile.quantization.overrides import Plan
from edgeq.compile.recipe import Recipe
from edgeq.errors import NotQuantizedError

_REMEDY = {
    "lstm": "give it a tensor, not a packed sequence",
    "gru": "give it a tensor, not a packed sequence",
    "rnn": "give it a tensor, not a packed sequence",
    "matmul": "write it as nn.Linear or F.linear",
    "einsum": "write it as nn.Linear or F.linear",
}


@dataclass(frozen=True)
class Stored:
    """Quantized weights of a call: their precision, and how many there are."""

    precision: str
    elements: int

    @property
    def bytes(self) -> int:
        """Their size in a program, which holds two INT4 weights in a byte."""
        return self.elements // 2 if self.precision == "int4" else self.elements


@dataclass(frozen=True)
class Verified:
    """The layers as they came out, and the weights of each of their quantized calls."""

    layers: tuple[QuantizedLayer, ...]
    calls: tuple[Stored, ...]


def list_unquantized(layers: list[Layer]) -> Verified:
    """The record of a program that was not quantized."""
    return Verified(tuple(_record(layer, "fp32", "fp32", layer.bytes) for layer in layers), ())


def verify_converted(layers: list[Layer], converted: GraphModule, plan: Plan) -> Verified:
    """Find each of `layers` in the converted module; what the plan promises must be so there.

    Raises:
        NotQuantizedError: a layer that multiplies stayed in FP32 or is gone; it and the reason are named. Or
            one that was to stay in FP32 did not.
    """
    recipe = plan.recipe
    if not any(layer.multiplies for layer in layers):
        raise NotQuantizedError(
            f"recipe {recipe.name!r} finds nothing to quantize: no layer of the model multiplies by weights",
            hint="export it as fp32",
        )
    asked_of = [_asked(layer, plan) for layer in layers]
    if set(asked_of) == {"fp32"}:
        raise NotQuantizedError(
            f"the overrides of recipe {recipe.name!r} leave every layer in fp32",
            hint="select fewer of them, or use the recipe fp32",
        )
    nodes = {node.name: node for node in converted.graph.nodes}
    records, failures, calls = [], [], []
    for layer, asked in zip(layers, asked_of, strict=True):
        stored = [_weights_of(nodes.get(call.node), converted) for call in layer.calls]
        wanted = [Stored(asked, call.elements) for call in layer.calls]
        # XNNPACK would leave out a 3-D convolution.
        done = stored == wanted and not layer.kind.endswith("3d")
        if asked != "fp32" and not done:
            failures.append(layer)
        if layer.multiplies and asked == "fp32" and any(stored):
            raise NotQuantizedError(
                f"recipe {recipe.name!r} leaves {layer.module} ({layer.kind}) in fp32, and it was quantized",
                hint="this is a fault of the quantizer; please report it",
            )
        got, size = (asked, Stored(asked, layer.elements).bytes) if done else ("fp32", layer.bytes)
        records.append(_record(layer, asked, got, size))
        calls += wanted if done else []
    if failures:
        raise _refuse(failures, plan)
    return Verified(tuple(records), tuple(calls))


def verify_lowered(verified: Verified, lowered: Lowered, recipe: Recipe) -> None:
    """Check that every quantized call is inside a delegate, by precision and by number of weights.

    A layer with quantized weights that the delegate did not take would be computed in FP32 after all.

    Raises:
        NotQuantizedError: a call that the converted model has is not there.
    """
    found = [stored for delegate in lowered.delegates for stored in _quantized_calls(delegate)]
    missing = Counter(verified.calls) - Counter(found)
    if not missing:
        return
    raise NotQuantizedError(
        f"recipe {recipe.name!r}: {len(verified.calls)} layers with {_sum(verified.calls)} B of weights were "
        f"quantized, but XNNPACK took {len(found)} of them with {_sum(found)} B; the rest would run in FP32",
        hint="left out: " + "; ".join(f"{o.op} ({o.reason})" for o in lowered.delegation.left_out),
    )


def _asked(layer: Layer, plan: Plan) -> str:
    """The precision asked for all calls of `layer`: FP32 only when it is asked for each of them."""
    if not layer.multiplies:
        return "fp32"
    asked = (plan.setting_of(call.node).precision for call in layer.calls)
    return next((precision for precision in asked if precision != "fp32"), "fp32")


def _sum(calls: Iterable[Stored]) -> int:
    return sum(stored.bytes for stored in calls)


def _is_dequantize(node: object) -> bool:
    name = str(getattr(node, "target", ""))
    return isinstance(node, Node) and node.op == "call_function" and "dequantize" in name


def _weights_of(node: Node | None, converted: GraphModule) -> Stored | None:
    """The quantized weights of a call whose input is quantized too."""
    if node is None or len(node.args) < 2:
        return None
    data, weight = node.args[:2]
    if not (_is_dequantize(data) and _is_dequantize(weight)):
        return None
    assert isinstance(weight, Node)  # noqa: S101 - for mypy
    codes = weight.args[0]
    if not isinstance(codes, Node) or codes.op != "get_attr":
        return None
    return _stored(weight, constant_of(converted, codes))


def _stored(dequantize: Node, codes: object) -> Stored | None:
    """What `dequantize` makes weights of; `codes` from -8 to 7 in groups are stored as INT4."""
    if not isinstance(codes, torch.Tensor) or codes.dtype != torch.int8:
        return None
    in_groups = "dequantize_affine" in str(dequantize.target)
    is_int4 = in_groups and tuple(dequantize.args[5:7]) == (LOWEST, HIGHEST)
    return Stored("int4" if is_int4 else "int8", codes.numel())


def _quantized_calls(delegate: ExportedProgram) -> Iterator[Stored]:
    """The weights of each call in `delegate` that takes a quantized constant as its weight."""
    for node in delegate.graph.nodes:
        if node.op != "call_function" or len(node.args) < 2 or not _is_dequantize(node.args[1]):
            continue
        codes = node.args[1].args[0]
        stored = _stored(node.args[1], codes.meta.get("val"))
        if codes.op == "placeholder" and stored is not None:
            yield stored


def _refuse(failures: list[Layer], plan: Plan) -> NotQuantizedError:
    named = "; ".join(f"{layer.module} ({layer.kind}): {_why(layer, plan)}" for layer in failures)
    remedies = sorted({_REMEDY[layer.kind] for layer in failures if layer.kind in _REMEDY})
    rest = "int8 or fp32" if plan.recipe.weights == "int4" else "fp32"
    return NotQuantizedError(
        f"recipe {plan.recipe.name!r} leaves {len(failures)} of the layers that it promises in FP32: {named}",
        hint="; ".join(
            [*remedies, f"or leave it in {rest} by an override of a recipe of your own, or use fp32"]
        ),
    )


def _why(layer: Layer, plan: Plan) -> str:
    recipe = plan.recipe
    if _asked(layer, plan) == "int4":
        return _why_not_int4(layer, recipe)
    if layer.kind not in ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"):
        return "XNNPACK has no INT8 kernel for it"
    if len(layer.weights) > 1:
        return "its weight is computed at each inference; remove the parametrization before the export"
    if layer.kind == "linear":
        return "the quantizer has no pattern for this use of it"
    if recipe.activations == "dynamic":
        return "the quantizer takes only dense 2-D convolutions without a ReLU behind them dynamically"
    return "the quantizer does not take it, as it does not a transposed convolution in groups"


def _why_not_int4(layer: Layer, recipe: Recipe) -> str:
    odd = next((call.fan for call in layer.calls if recipe.group and call.fan % recipe.group), None)
    if layer.kind in ("linear", "lstm", "gru", "rnn") and odd is not None:
        return f"its {odd} inputs are no multiple of the group of {recipe.group}"
    return "only linear layers have weights of 4 bits"


def _record(layer: Layer, asked: str, got: str, stored: int) -> QuantizedLayer:
    return QuantizedLayer(
        module=layer.module, kind=layer.kind, asked=asked, got=got, parameters=layer.parameters, bytes=stored
    )
