"""Verifies that what the recipe asked for was done: every layer that holds weights, by count and by bytes.

Quantizers skip what they have no pattern for, and say nothing. So the layers are taken from the exported
program before quantization, found again in the converted one, and counted once more in the lowered one.
"""

from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgeq.artifact import QuantizedLayer
from edgeq.compile.lower import Lowered
from edgeq.compile.recipe import Recipe
from edgeq.errors import NotQuantizedError

# Operators that multiply by weights and add up, and the name of the layer for people. A recipe that
# quantizes promises INT8 for all of them, whether or not the quantizer has a pattern for it.
_MULTIPLYING = {
    "aten::linear": "linear",
    "aten::conv1d": "conv1d",
    "aten::conv2d": "conv2d",
    "aten::conv3d": "conv3d",
    "aten::convolution": "convolution",
    "aten::_convolution": "convolution",
    "aten::conv_transpose1d": "conv_transpose1d",
    "aten::conv_transpose2d": "conv_transpose2d",
    "aten::conv_transpose3d": "conv_transpose3d",
    "aten::lstm": "lstm",
    "aten::gru": "gru",
    "aten::rnn_tanh": "rnn",
    "aten::rnn_relu": "rnn",
    "aten::lstm_cell": "lstm",
    "aten::gru_cell": "gru",
    "aten::rnn_tanh_cell": "rnn",
    "aten::rnn_relu_cell": "rnn",
    "aten::bilinear": "bilinear",
    "aten::matmul": "matmul",
    "aten::mm": "matmul",
    "aten::bmm": "matmul",
    "aten::mv": "matmul",
    "aten::addmm": "matmul",
    "aten::baddbmm": "matmul",
    "aten::einsum": "einsum",
    "aten::tensordot": "einsum",
}  # fmt: skip

_REMEDY = {
    "lstm": "unroll it into nn.Linear layers, or export it as fp32",
    "gru": "unroll it into nn.Linear layers, or export it as fp32",
    "rnn": "unroll it into nn.Linear layers, or export it as fp32",
    "matmul": "write it as nn.Linear or F.linear, or export it as fp32",
    "einsum": "write it as nn.Linear or F.linear, or export it as fp32",
}


@dataclass(frozen=True)
class Layer:
    """A call that uses weights: its node's name, the user's module, and the weights' names."""

    node: str
    module: str
    kind: str
    multiplies: bool
    weights: tuple[str, ...]
    elements: int
    parameters: int
    bytes: int


def find_layers(program: ExportedProgram) -> list[Layer]:
    """Every call with weights in `program`, in order of execution.

    Weights are parameters or buffers of floating point with at least two dimensions, used directly or
    through operators that work on weights alone (weight norm, a transposed matrix).
    """
    names = {
        **program.graph_signature.inputs_to_parameters,
        **program.graph_signature.inputs_to_buffers,
        **program.graph_signature.inputs_to_lifted_tensor_constants,
    }
    constant: dict[Node, frozenset[str]] = {}
    layers = []
    tensors = {**program.state_dict, **program.constants}
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            constant[node] = frozenset({names[node.name]})
        elif node.op == "call_function":
            sources = [constant.get(arg) for arg in node.all_input_nodes]
            if sources and all(source is not None for source in sources):
                constant[node] = frozenset().union(*(source for source in sources if source is not None))
            elif any(source is not None for source in sources):
                used = sorted(frozenset().union(*(source for source in sources if source is not None)))
                layer = _layer_of(node, [n for n in used if n in tensors], tensors)
                if layer is not None:
                    layers.append(layer)
    return layers


def _layer_of(node: Node, used: list[str], tensors: dict[str, torch.Tensor]) -> Layer | None:
    floats = [name for name in used if tensors[name].is_floating_point()]
    weights = [name for name in floats if tensors[name].dim() >= 2]
    schema = getattr(node.target, "_schema", None)
    operator = schema.name if schema is not None else str(node.target)
    multiplies = operator in _MULTIPLYING
    if not weights:
        return None
    return Layer(
        node=node.name,
        module=_module_of(weights[0]),
        kind=_MULTIPLYING.get(operator, operator.rpartition("::")[2]),
        multiplies=multiplies,
        weights=tuple(weights),
        elements=sum(tensors[name].numel() for name in weights),
        parameters=sum(tensors[name].numel() for name in floats),
        bytes=sum(tensors[name].nbytes for name in weights),
    )


def _module_of(weight: str) -> str:
    """The user's module that owns a weight; the weight's own name when that is the root."""
    module, parametrized, _ = weight.partition(".parametrizations.")
    return module if parametrized else weight.rpartition(".")[0] or weight


def list_unquantized(layers: list[Layer]) -> tuple[QuantizedLayer, ...]:
    """The record of a program that was not quantized."""
    return tuple(_record(layer, "fp32", "fp32", layer.bytes) for layer in layers)


def verify_converted(
    layers: list[Layer], converted: GraphModule, recipe: Recipe
) -> tuple[QuantizedLayer, ...]:
    """Find each of `layers` in the converted module; what the recipe promises must be INT8 there.

    Raises:
        NotQuantizedError: a layer that multiplies stayed in FP32 or is gone; it and the reason are named.
    """
    if not any(layer.multiplies for layer in layers):
        raise NotQuantizedError(
            f"recipe {recipe.name!r} finds nothing to quantize: no layer of the model multiplies by weights",
            hint="export it as fp32",
        )
    nodes = {node.name: node for node in converted.graph.nodes}
    records, failures = [], []
    for layer in layers:
        asked = recipe.weights if layer.multiplies else "fp32"
        node = nodes.get(layer.node)
        stored = _int8_weight(node, converted) if node is not None else 0
        # By bytes: one for each element of the weight. XNNPACK would leave out a 3-D convolution.
        done = stored == layer.elements and not layer.kind.endswith("3d")
        if asked == "int8" and not done:
            failures.append(layer)
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
        hint="; ".join(remedies) or "use another recipe, or export it as fp32",
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
