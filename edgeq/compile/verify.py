"""Verifies that what the recipe asked for was done: every layer that holds weights, by count and by bytes.

Quantizers skip what they have no pattern for, and say nothing. So the layers are taken from the exported
program before quantization, found again in the converted one, and counted once more in the lowered one.
"""

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
    "lstm": "unroll it into nn.Linear layers",
    "gru": "unroll it into nn.Linear layers",
    "rnn": "unroll it into nn.Linear layers",
    "matmul": "write it as nn.Linear or F.linear",
    "einsum": "write it as nn.Linear or F.linear",
}


def list_unquantized(layers: list[Layer]) -> tuple[QuantizedLayer, ...]:
    """The record of a program that was not quantized."""
    return tuple(_record(layer, "fp32", "fp32", layer.bytes) for layer in layers)


def verify_converted(layers: list[Layer], converted: GraphModule, plan: Plan) -> tuple[QuantizedLayer, ...]:
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
    wanted = {layer.node: plan.setting_of(layer.node).precision for layer in layers if layer.multiplies}
    if "int8" not in wanted.values():
        raise NotQuantizedError(
            f"the overrides of recipe {recipe.name!r} leave every layer in fp32",
            hint="select fewer of them, or use the recipe fp32",
        )
    nodes = {node.name: node for node in converted.graph.nodes}
    records, failures = [], []
    for layer in layers:
        asked = wanted.get(layer.node, "fp32")
        node = nodes.get(layer.node)
        stored = _int8_weight(node, converted) if node is not None else 0
        # By bytes: one for each element of the weight. XNNPACK would leave out a 3-D convolution.
        done = stored == layer.elements and not layer.kind.endswith("3d")
        if asked == "int8" and not done:
            failures.append(layer)
        if layer.multiplies and asked == "fp32" and done:
            raise NotQuantizedError(
                f"recipe {recipe.name!r} leaves {layer.module} ({layer.kind}) in fp32, and it came out int8",
                hint="this is a fault of the quantizer; please report it",
            )
        records.append(_record(layer, asked, "int8" if done else "fp32", stored if done else layer.bytes))
    if failures:
        raise _refuse(failures, recipe)
    return tuple(records)


def verify_lowered(records: tuple[QuantizedLayer, ...], lowered: Lowered, recipe: Recipe) -> None:
    """Check that every quantized layer is INT8 inside a delegate, by count and by weight bytes.

    A layer with INT8 weights that the delegate did not take would be computed in FP32 after all.

    Raises:
        NotQuantizedError: fewer calls or fewer bytes than the converted model has.
    """
    wanted = [record for record in records if record.got == "int8"]
    found = [size for delegate in lowered.delegates for size in _int8_calls(delegate)]
    if len(found) >= len(wanted) and sum(found) >= sum(record.bytes for record in wanted):
        return
    raise NotQuantizedError(
        f"recipe {recipe.name!r}: {len(wanted)} layers with {sum(r.bytes for r in wanted)} B of weights were "
        f"quantized, but XNNPACK took {len(found)} of them with {sum(found)} B; the rest would run in FP32",
        hint="left out: " + "; ".join(f"{o.op} ({o.reason})" for o in lowered.delegation.left_out),
    )


def _is_dequantize(node: object) -> bool:
    name = str(getattr(node, "target", ""))
    return isinstance(node, Node) and node.op == "call_function" and "dequantize" in name


def _int8_weight(node: Node, converted: GraphModule) -> int:
    """Bytes of the INT8 weight of a call whose input is quantized too, else 0."""
    if len(node.args) < 2:
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
