"""Weights of 4 bits in groups, with activations quantized to 8 bits at each inference.

PT2E's quantizer has no weights of this kind. So the linear layers that a plan wants them for are changed in
the converted graph, into the form that XNNPACK's partitioner takes: codes from -8 to 7 and a scale for each
`group` inputs of each output, beside an activation whose last axis has one scale and zero point a row.
XNNPACK keeps the scales in bfloat16; they are rounded to it here, so that the converted model has the same.
"""

import operator

import torch
from torch.fx import Graph, GraphModule, Node

# Also registers the `torchao` operators that stand in the graph.
from torchao.quantization.quant_primitives import MappingType

from edgeq.compile.quantization.overrides import Plan

_aten = torch.ops.aten
_torchao = torch.ops.torchao

LOWEST, HIGHEST = -8, 7

# The scales that are tried for a group, in shares of the one with which no weight of it is clipped at either
# end (largest magnitude to 7). A few percent of clipping cost less than they save in rounding.
_SHARES = torch.linspace(0.6, 1.0, 21).tolist()

# Of a group of zeros; small enough for any weight, and a normal number in bfloat16.
_LEAST_SCALE = 2.0**-40


def quantize_groups(module: GraphModule, plan: Plan) -> None:
    """Change the linear layers of `module` that `plan` wants with 4-bit weights, in place.

    One that cannot be changed (its inputs are no multiple of the group) is left; the check after conversion
    names it.
    """
    group = plan.recipe.group
    if group is None:
        return
    made: dict[str, tuple[str, str, str]] = {}
    for node in list(module.graph.nodes):
        if not _is_wanted(node, plan):
            continue
        data, weight, *rest = node.args
        tensor = operator.attrgetter(weight.target)(module)
        if tensor.shape[1] % group:
            continue
        if weight.target not in made:
            made[weight.target] = _store(module, f"int4_{len(made)}", tensor, group)
        with module.graph.inserting_before(node):
            rounded = _round_rows(module.graph, data, tensor.shape[1])
            node.args = (rounded, _weights(module.graph, made[weight.target], group), *rest)
    module.graph.eliminate_dead_code()
    module.recompile()


def choose_codes(weight: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (O, I) of int8 from -8 to 7, and scales (O, I / group) of float32, of a `weight` (O, I).

    Of the scales in _SHARES the one with the least squared error is taken for each group.
    """
    parts = weight.detach().float().reshape(weight.shape[0], -1, group)
    widest = parts.abs().amax(-1, keepdim=True) / HIGHEST
    scales = torch.zeros_like(widest)
    least = torch.full_like(widest, float("inf"))
    for share in _SHARES:
        tried = (widest * share).to(torch.bfloat16).float().clamp(min=_LEAST_SCALE)
        error = (_codes(parts, tried) * tried - parts).square().sum(-1, keepdim=True)
        scales = torch.where(error < least, tried, scales)
        least = torch.minimum(error, least)
    return _codes(parts, scales).to(torch.int8).reshape(weight.shape), scales.squeeze(-1)


def _codes(parts: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    return (parts / scales).round().clamp(LOWEST, HIGHEST)


def _is_wanted(node: Node, plan: Plan) -> bool:
    return (
        node.target is _aten.linear.default
        and plan.setting_of(node.name).precision == "int4"
        and isinstance(node.args[1], Node)
        and node.args[1].op == "get_attr"
    )


def _store(module: GraphModule, name: str, weight: torch.Tensor, group: int) -> tuple[str, str, str]:
    codes, scales = choose_codes(weight, group)
    names = (f"{name}_codes", f"{name}_scales", f"{name}_zeros")
    tensors = (codes, scales, torch.zeros(scales.shape, dtype=torch.int8))
    for each, tensor in zip(names, tensors, strict=True):
        module.register_buffer(each, tensor)
    return names


def _round_rows(graph: Graph, data: Node, width: int) -> Node:
    """`data`, quantized and dequantized with one scale and zero point for each of its rows of `width`."""
    block = [1] * (data.meta["val"].dim() - 1) + [width]
    codes = (torch.int8, -128, 127)
    chosen = graph.call_function(
        _torchao.choose_qparams_affine.default,
        (data, MappingType.ASYMMETRIC.name, block, *codes, None, None, torch.int8),
    )
    scale, zero = (graph.call_function(operator.getitem, (chosen, index)) for index in (0, 1))
    rounded = graph.call_function(_torchao.quantize_affine.default, (data, block, scale, zero, *codes))
    return graph.call_function(_torchao.dequantize_affine.default, (rounded, block, scale, zero, *codes))


def _weights(graph: Graph, names: tuple[str, str, str], group: int) -> Node:
    codes, scales, zeros = (graph.get_attr(name) for name in names)
    return graph.call_function(
        _torchao.dequantize_affine.default,
        (codes, [1, group], scales, zeros, torch.int8, LOWEST, HIGHEST),
    )
