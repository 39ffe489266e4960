"""Hard-sigmoid behind a layer, computed by that layer: `relu6(y + 3) / 6` is `clamp(y / 6 + 0.5, 0, 1)`.

A sixth of the layer's weights and bias, half added to the bias, and a clamp, which XNNPACK folds into the
layer: the gate of a squeeze-and-excitation block costs nothing, and is INT8 to the end. XNNPACK has no
kernel for it in any precision (Howard et al., "Searching for MobileNetV3", 2019, has the formula).
"""

from typing import Any

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft, arguments_of
from edgeq.compile.rewrites.layer import affine_of, layer_of

_aten = torch.ops.aten

_RELU6 = (_aten.relu6.default, _aten.relu6_.default)
_HARDTANH = (_aten.hardtanh.default, _aten.hardtanh_.default)
_SIXTH = 1 / 6


def rewrite_hard_sigmoid(draft: Draft) -> int:
    """Fold each hard-sigmoid behind a layer of its own into it; gives the number of places."""
    changed = 0
    for node in draft.calls(
        _aten.hardsigmoid.default, _aten.hardsigmoid_.default, _aten.div.Tensor, _aten.mul.Tensor
    ):
        source = gate_input(node)
        if source is None or layer_of(source) is None or len(source.users) != 1:
            continue
        affine = affine_of(draft, source)
        if affine is None or affine.bias is None:
            continue
        for each, shift in ((affine.weight, 0.0), (affine.bias, 0.5)):
            value = draft.tensor(each)
            assert value is not None  # noqa: S101 - affine_of has looked
            draft.set_tensor(each, value.double() * _SIXTH + shift)
        draft.replace(node, draft.call(_aten.hardtanh.default, source, 0.0, 1.0, like=node))
        changed += 1
    return changed


def gate_input(node: object) -> Node | None:
    """The `x` of which `node` is the hard-sigmoid, as one operator or in parts: `relu6(x + 3) / 6`."""
    if not isinstance(node, Node) or node.op != "call_function":
        return None
    if node.target in (_aten.hardsigmoid.default, _aten.hardsigmoid_.default):
        return _node(node.args[0])
    scaled = scaled_by_a_sixth(node)
    if scaled is None or len(scaled.users) != 1:
        return None
    return clamped_input(scaled)


def scaled_by_a_sixth(node: Node) -> Node | None:
    """The `y` of which `node` is a sixth."""
    if len(node.args) < 2 or node.kwargs:
        return None
    if node.target is _aten.div.Tensor and _is(node.args[1], 6.0):
        return _node(node.args[0])
    if node.target is _aten.mul.Tensor and _is(node.args[1], _SIXTH):
        return _node(node.args[0])
    return None


def clamped_input(node: Node) -> Node | None:
    """The `x` of which `node` is `relu6(x + 3)`, where nothing else uses the sum."""
    is_relu6 = node.target in _RELU6
    if node.target in _HARDTANH:
        limits = arguments_of(node)
        is_relu6 = _is(limits["min_val"], 0.0) and _is(limits["max_val"], 6.0)
    total = _node(node.args[0]) if is_relu6 else None
    if total is None or total.target is not _aten.add.Tensor or len(total.users) != 1 or total.kwargs:
        return None
    left, right = total.args[:2]
    return _node(left) if _is(right, 3.0) else None


def _is(value: Any, number: float) -> bool:  # noqa: ANN401 - an argument of any kind
    return isinstance(value, int | float) and abs(value - number) < 1e-6


def _node(value: object) -> Node | None:
    return value if isinstance(value, Node) else None
