"""Verifies that what the recipe asked for was done: every layer that holds weights, by count and by bytes.

Quantizers skip what they have no pattern for, and say nothing. So the layers are taken from the exported
program before quantization, found again in the converted one, and counted once more in the lowered one.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgeq.artifact import QuantizedLayer
from edgeq.compile.layers import Layer
from edgeq.compile.lower import Lowered
from edgeq.compile.overrides import Plan
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
class Verified:
    """The layers as they came out, and the weight bytes of each of their quantized calls."""

    layers: tuple[QuantizedLayer, ...]
    calls: tuple[int, ...]


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
    if "int8" not in asked_of:
        raise NotQuantizedError(
            f"the overrides of recipe {recipe.name!r} leave every layer in fp32",
            hint="select fewer of them, or use the recipe fp32",
        )
    nodes = {node.name: node for node in converted.graph.nodes}
    records, failures, calls = [], [], []
    for layer, asked in zip(layers, asked_of, strict=True):
        stored = [_int8_weight(nodes.get(call.node), converted) for call in layer.calls]
        # By bytes: one for each element of the weight. XNNPACK would leave out a 3-D convolution.
        done = stored == [call.elements for call in layer.calls] and not layer.kind.endswith("3d")
        if asked == "int8" and not done:
            failures.append(layer)
        if layer.multiplies and asked == "fp32" and any(stored):
            raise NotQuantizedError(
                f"recipe {recipe.name!r} leaves {layer.module} ({layer.kind}) in fp32, and it came out int8",
                hint="this is a fault of the quantizer; please report it",
            )
        records.append(
            _record(layer, asked, "int8" if done else "fp32", layer.elements if done else layer.bytes)
        )
        calls += stored if done else []
    if failures:
        raise _refuse(failures, recipe)
    return Verified(tuple(records), tuple(calls))


def verify_lowered(verified: Verified, lowered: Lowered, recipe: Recipe) -> None:
    """Check that every quantized call is INT8 inside a delegate, by count and by weight bytes.

    A layer with INT8 weights that the delegate did not take would be computed in FP32 after all.

    Raises:
        NotQuantizedError: a call that the converted model has is not there.
    """
    found = [size for delegate in lowered.delegates for size in _int8_calls(delegate)]
    missing = Counter(verified.calls) - Counter(found)
    if not missing:
        return
    raise NotQuantizedError(
        f"recipe {recipe.name!r}: {len(verified.calls)} layers with {sum(verified.calls)} B of weights were "
        f"quantized, but XNNPACK took {len(found)} of them with {sum(found)} B; the rest would run in FP32",
        hint="left out: " + "; ".join(f"{o.op} ({o.reason})" for o in lowered.delegation.left_out),
    )


def _asked(layer: Layer, plan: Plan) -> str:
    """The precision asked for all calls of `layer`; INT8 when it is asked for any of them."""
    if not layer.multiplies:
        return "fp32"
    return "int8" if any(plan.setting_of(c.node).precision == "int8" for c in layer.calls) else "fp32"


def _is_dequantize(node: object) -> bool:
    name = str(getattr(node, "target", ""))
    return isinstance(node, Node) and node.op == "call_function" and "dequantize" in name


def _int8_weight(node: Node | None, converted: GraphModule) -> int:
    """Bytes of the INT8 weight of a call whose input is quantized too, else 0."""
    if node is None or len(node.args) < 2:
        return 0
    data, weight = node.args[:2]
    if not (_is_dequantize(data) and _is_dequantize(weight)):
        return 0
    assert isinstance(weight, Node)  # noqa: S101 - for mypy
    stored = weight.args[0]
    if not isinstance(stored, Node) or stored.op != "get_attr":
        return 0
    tensor = _attribute(converted, str(stored.target))
    return tensor.nbytes if tensor.dtype == torch.int8 else 0


def _attribute(module: torch.nn.Module, path: str) -> torch.Tensor:
    parent, _, name = path.rpartition(".")
    value = getattr(module.get_submodule(parent), name)
    assert isinstance(value, torch.Tensor)  # noqa: S101 - a constant of the graph
    return value


def _int8_calls(delegate: ExportedProgram) -> list[int]:
    """Weight bytes of each call in `delegate` that takes an INT8 constant as its weight."""
    sizes = []
    for node in delegate.graph.nodes:
        if node.op != "call_function" or len(node.args) < 2 or not _is_dequantize(node.args[1]):
            continue
        stored = node.args[1].args[0]
        value = stored.meta.get("val")
        if stored.op == "placeholder" and isinstance(value, torch.Tensor) and value.dtype == torch.int8:
            sizes.append(value.numel())
    return sizes


def _refuse(failures: list[Layer], recipe: Recipe) -> NotQuantizedError:
    named = "; ".join(f"{layer.module} ({layer.kind}): {_why(layer, recipe)}" for layer in failures)
    remedies = sorted({_REMEDY[layer.kind] for layer in failures if layer.kind in _REMEDY})
    return NotQuantizedError(
        f"recipe {recipe.name!r} leaves {len(failures)} of the layers that it promises in FP32: {named}",
        hint="; ".join(
            [*remedies, "or leave it in fp32 by an override of a recipe of your own, or use fp32"]
        ),
    )


def _why(layer: Layer, recipe: Recipe) -> str:
    if layer.kind not in ("linear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"):
        return "XNNPACK has no INT8 kernel for it"
    if len(layer.weights) > 1:
        return "its weight is computed at each inference; remove the parametrization before the export"
    if layer.kind == "linear":
        return "the quantizer has no pattern for this use of it"
    if recipe.activations == "dynamic":
        return "the quantizer takes only dense 2-D convolutions without a ReLU behind them dynamically"
    return "the quantizer does not take it, as it does not a transposed convolution in groups"


def _record(layer: Layer, asked: str, got: str, stored: int) -> QuantizedLayer:
    return QuantizedLayer(
        module=layer.module, kind=layer.kind, asked=asked, got=got, parameters=layer.parameters, bytes=stored
    )
