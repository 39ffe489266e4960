"""The layers of an exported program: its calls with weights, and which of them a recipe promises in INT8."""

from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgeq.compile.rewrites.recurrence import ORIGIN

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

# Operators that multiply two matrices, and which argument's last axis is summed over.
_PRODUCTS = {
    "aten::mm": 0,
    "aten::bmm": 0,
    "aten::matmul": 0,
    "aten::mv": 0,
    "aten::addmm": 1,
    "aten::baddbmm": 1,
}


@dataclass(frozen=True)
class Call:
    """A call that uses weights.

    Attributes:
        node: its node's name.
        elements: of the weights.
        fan: of them, those for one step along their first dimension: the inputs of a linear layer.
    """

    node: str
    elements: int
    fan: int


@dataclass(frozen=True)
class Layer:
    """Calls that use weights, the user's module, and the weights' names.

    It is one call, but for a recurrent layer that was written as linear ones: those are one layer, whose
    weights count once.
    """

    calls: tuple[Call, ...]
    module: str
    kind: str
    multiplies: bool
    weights: tuple[str, ...]
    elements: int
    parameters: int
    bytes: int


def find_layers(program: ExportedProgram) -> list[Layer]:
    """Every layer with weights in `program`, in order of execution.

    Weights are parameters or buffers of floating point with at least two dimensions, used directly or
    through operators that work on weights alone (weight norm, a transposed matrix).
    """
    names = {
        **program.graph_signature.inputs_to_parameters,
        **program.graph_signature.inputs_to_buffers,
        **program.graph_signature.inputs_to_lifted_tensor_constants,
    }
    constant: dict[Node, frozenset[str]] = {}
    found: dict[str, list[tuple[Node, list[str]]]] = {}
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
                layer, _ = node.meta.get(ORIGIN, (node.name, None))
                floats = [n for n in used if n in tensors and tensors[n].is_floating_point()]
                found.setdefault(layer, []).append((node, floats))
    layers = (_layer_of(calls, tensors) for calls in found.values())
    return [layer for layer in layers if layer is not None]


def count_macs(node: Node) -> int:
    """Multiply-accumulates of a call, before or after lowering; 0 for operators that sum no products.

    A weight of a layer is used once for each place of the output; of a transposed convolution once for each
    place of the input.
    """
    name = _schema_name(node)
    if name in _PRODUCTS:
        return _elements(node) * int(_value(node.args[_PRODUCTS[name]]).shape[-1])
    if name == "aten::scaled_dot_product_attention":
        keys = int(_value(node.args[1]).shape[-2])
        return (_elements(node.args[0]) + _elements(node)) * keys
    kind = _MULTIPLYING.get(name, "")
    if kind != "linear" and not kind.startswith("conv"):
        return 0
    weight = _value(node.args[1])
    is_transposed = "transpose" in name or (name == "aten::convolution" and bool(node.args[6]))
    return _elements(node.args[0] if is_transposed else node) * int(weight.numel() // weight.shape[0])


def constant_of(model: GraphModule, node: Node) -> torch.Tensor:
    """The tensor of a node that gets a parameter or buffer."""
    parent, _, name = str(node.target).rpartition(".")
    tensor = getattr(model.get_submodule(parent), name)
    assert isinstance(tensor, torch.Tensor)  # noqa: S101 - nothing else is got by a traced program
    return tensor.detach()


def _schema_name(node: Node) -> str:
    schema = getattr(node.target, "_schema", None)
    return str(schema.name) if schema is not None else str(node.target)


def _value(node: object) -> torch.Tensor:
    value = node.meta.get("val") if isinstance(node, Node) else None
    assert isinstance(value, torch.Tensor)  # noqa: S101 - operands of a product
    return value


def _elements(node: object) -> int:
    return int(_value(node).numel())


def _layer_of(uses: list[tuple[Node, list[str]]], tensors: dict[str, torch.Tensor]) -> Layer | None:
    floats = list(dict.fromkeys(name for _, used in uses for name in used))
    weights = [name for name in floats if tensors[name].dim() >= 2]
    if not weights:
        return None
    first = uses[0][0]
    operator = _schema_name(first)
    _, recurrent = first.meta.get(ORIGIN, (None, None))
    return Layer(
        calls=tuple(call for node, used in uses if (call := _call_of(node, used, tensors)).elements),
        module=_module_of(weights[0]),
        kind=recurrent or _MULTIPLYING.get(operator, operator.rpartition("::")[2]),
        multiplies=operator in _MULTIPLYING,
        weights=tuple(weights),
        elements=sum(tensors[name].numel() for name in weights),
        parameters=sum(tensors[name].numel() for name in floats),
        bytes=sum(tensors[name].nbytes for name in weights),
    )


def _call_of(node: Node, used: list[str], tensors: dict[str, torch.Tensor]) -> Call:
    weights = [tensors[name] for name in used if tensors[name].dim() >= 2]
    return Call(
        node=node.name,
        elements=sum(weight.numel() for weight in weights),
        fan=sum(weight.numel() // weight.shape[0] for weight in weights),
    )


def _module_of(weight: str) -> str:
    """The user's module that owns a weight; the weight's own name when that is the root."""
    module, parametrized, _ = weight.partition(".parametrizations.")
    return module if parametrized else weight.rpartition(".")[0] or weight
