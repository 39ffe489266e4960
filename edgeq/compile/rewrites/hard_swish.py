"""Hard-swish written out in parts, as the one operator; and a layer clamped where hard-swish is zero anyway.

`x * relu6(x + 3) / 6` in parts is four operators, each rounded to INT8 or left in FP32; XNNPACK has a kernel
for the whole. Below -3 it is zero, so a layer that feeds nothing else may clamp there: XNNPACK folds the
clamp into the layer, and no INT8 code is spent on values that make no difference (Howard et al., "Searching
for MobileNetV3", 2019, has the formula).
"""

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft
from edgeq.compile.rewrites.hard_sigmoid import clamped_input, gate_input, scaled_by_a_sixth
from edgeq.compile.rewrites.layer import layer_of

_aten = torch.ops.aten

# Hard-swish is zero up to here. The upper end is one that nothing reaches: the clamp takes two.
_ZERO_UP_TO, _NO_LIMIT = -3.0, 3.0e38


def rewrite_hard_swish(draft: Draft) -> int:
    """Change each hard-swish in `draft`; gives the number of places."""
    places = set()
    for node in draft.calls(_aten.mul.Tensor, _aten.div.Tensor, _aten.hardswish_.default):
        source = _swish_input(node)
        if source is not None:
            swish = draft.call(_aten.hardswish.default, source, like=node)
            draft.replace(node, swish)
            places.add(swish)
    draft.sweep()
    for node in draft.calls(_aten.hardswish.default):
        source = node.args[0]
        assert isinstance(source, Node)  # noqa: S101 - its only argument
        if layer_of(source) is not None and len(source.users) == 1:
            node.update_arg(0, draft.call(_aten.hardtanh.default, source, _ZERO_UP_TO, _NO_LIMIT, like=node))
            places.add(node)
    return len(places)


def _swish_input(node: Node) -> Node | None:
    """The `x` of which `node` is the hard-swish: `x * hardsigmoid(x)`, or `(x * relu6(x + 3)) / 6`."""
    if node.target is _aten.hardswish_.default:
        # In place: whoever else uses `x` gets what was made of it.
        source = node.args[0]
        return source if isinstance(source, Node) and len(source.users) == 1 else None
    product = scaled_by_a_sixth(node) or node
    if product.target is not _aten.mul.Tensor:
        return None
    for x, other in (product.args[:2], product.args[1::-1]):
        if not isinstance(x, Node) or not isinstance(other, Node):
            return None
        gate = clamped_input(other) if product is not node else gate_input(other)
        if gate is x:
            return x
    return None
