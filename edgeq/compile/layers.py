"""The layers of an exported program: its calls with weights, and which of them a recipe promises in INT8."""

from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.fx import Node

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
