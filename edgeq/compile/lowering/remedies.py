"""What would bring an operator into the delegate that XNNPACK's partitioner left out."""

from collections.abc import Callable, Collection

import torch
from torch.fx import Node

from edgeq.compile.lowering.tensors import Constants
from edgeq.compile.rewrites.draft import arguments_of, shape_of

_RECURRENT = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")


def find_remedy(node: Node, operator: str, rewrites: Collection[str], constants: Constants) -> str:
    """In words: the rewrite that is not in the recipe's list, or a change of the source; empty for none.

    Args:
        node: the operator that was left out.
        operator: its name, such as `aten.mean.dim`.
        rewrites: the names in the recipe.
        constants: of the program that `node` is in.
    """
    rewrite = _rewrite_for(node, operator, constants)
    if rewrite is not None and rewrite not in rewrites:
        return f"add {rewrite!r} to the recipe's `rewrites`"
    find = _SOURCE.get(operator)
    return find(node) if find is not None else ""


def _rewrite_for(node: Node, operator: str, constants: Constants) -> str | None:
    stack = node.meta.get("nn_module_stack") or {}
    names = (kind if isinstance(kind, str) else kind.__name__ for _, kind in stack.values())
    kinds = {name.rpartition(".")[2] for name in names}
    if kinds.intersection(_RECURRENT):
        return "recurrence"
    if operator in ("aten.mean.dim", "aten.avg_pool2d.default") and _is_global(node, operator):
        return "global-mean"
    return "constant-weights" if _is_of_weights(node, constants) else None


def _is_global(node: Node, operator: str) -> bool:
    """Whether it averages the whole of a map: the forms that the rewrite `global-mean` takes."""
    source = node.args[0]
    if not isinstance(source, Node):
        return False
    shape, arguments = shape_of(source), arguments_of(node)
    if operator == "aten.avg_pool2d.default":
        return tuple(arguments["kernel_size"]) == shape[-2:] and shape_of(node)[-2:] == (1, 1)
    if arguments.get("dtype") is not None:
        return False
    axes = sorted(axis % len(shape) for axis in arguments["dim"] or ())
    if len(shape) == 4:
        return axes in ([2, 3], [3]) and not arguments["keepdim"]
    inner = source.target is node.target and isinstance(source.args[0], Node)
    return inner and axes == [2] and len(shape_of(source.args[0])) == 4


def _is_of_weights(node: Node, constants: Constants) -> bool:
    """Whether it is computed from weights alone."""
    if node.op != "call_function":
        return constants.name_of(node) is not None
    sources = node.all_input_nodes
    return bool(sources) and all(_is_of_weights(source, constants) for source in sources)


def _mean(node: Node) -> str:
    source = node.args[0]
    rank = len(shape_of(source)) if isinstance(source, Node) else 0
    if rank == 3 and [axis % 3 for axis in arguments_of(node)["dim"] or ()] == [1]:
        return "write x.mean(1) as x.transpose(1, 2).unsqueeze(3).mean([2, 3], keepdim=True).flatten(1)"
    return "average over the last two of four dimensions: x.mean([2, 3], keepdim=True)"


def _average_pool(node: Node) -> str:
    arguments = arguments_of(node)
    wrong = [
        *(["ceil_mode=False"] if arguments["ceil_mode"] else []),
        *(
            ["count_include_pad=False"]
            if arguments["count_include_pad"] and any(arguments["padding"])
            else []
        ),
        *(["no divisor_override"] if arguments["divisor_override"] is not None else []),
    ]
    return f"pool with {', '.join(wrong)}" if wrong else ""


def _softmax(node: Node) -> str:
    rank = len(shape_of(node))
    axis = arguments_of(node)["dim"] % rank
    return "" if axis == rank - 1 else f"x.transpose({axis}, -1), softmax over -1, and transpose back"


def _scaled_sum(node: Node) -> str:
    return "" if arguments_of(node).get("alpha", 1) == 1 else "multiply by alpha first, then add or subtract"


def _copy(node: Node) -> str:
    source = node.args[0]
    value = source.meta.get("val") if isinstance(source, Node) else None
    is_number = isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_floating_point()
    return "write whole numbers beside tensors as floats: x + 1.0 for x + 1" if is_number else ""


def _power(node: Node) -> str:
    exponent = node.args[1]
    is_product = isinstance(exponent, int | float) and exponent in (3, 4)
    return "write the power as a product: x * x * x" if is_product else ""


_SOURCE: dict[str, Callable[[Node], str]] = {
    "dim_order_ops._to_dim_order_copy.default": _copy,
    "aten.mean.dim": _mean,
    "aten.avg_pool2d.default": _average_pool,
    "aten._softmax.default": _softmax,
    "aten.add.Tensor": _scaled_sum,
    "aten.sub.Tensor": _scaled_sum,
    "aten.pow.Tensor_Scalar": _power,
    "aten.select_copy.int": lambda _: "take a slice and reshape it: x[:, -1:].flatten(1) for x[:, -1]",
    "aten.split_with_sizes_copy.default": lambda _: "take slices, x[:, :n] and x[:, n:], not split or chunk",
    "aten.cat.default": lambda _: "join at most five tensors at a time",
    "aten.unsqueeze_copy.default": lambda node: f"x.reshape({', '.join(map(str, shape_of(node)))})",
    "aten.max_pool2d_with_indices.default": lambda _: "a stride of at most the kernel size",
}
