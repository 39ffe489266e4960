"""Cross-layer equalization: channels that differ in range between two layers are brought to one range.

Between two layers with ReLU between them, or nothing, a channel may be divided by any positive number if the
next layer multiplies by it: the function stays, and both layers' weights of that channel get the same range
(Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, equations 6 to
11). ReLU6 and hard-swish are no such function, and end a chain of layers. Batch norms stay where they are:
their weights are scaled instead of the layer's.
"""

from dataclasses import dataclass

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft, arguments_of, shape_of
from edgeq.compile.rewrites.layer import NORMS, Affine, affine_of, is_own, layer_of

_aten = torch.ops.aten

# f(s x) = s f(x) for positive s, channel by channel.
_HOMOGENEOUS = (
    _aten.relu.default, _aten.relu_.default, _aten.max_pool2d.default, _aten.avg_pool2d.default,
    _aten.adaptive_avg_pool2d.default, _aten.mean.dim, _aten.flatten.using_ints, _aten.dropout.default,
    _aten.dropout_.default,
)  # fmt: skip
_CONV2D = (_aten.conv2d.default, _aten.conv2d.padding)

# A pair changes its neighbours' ranges, so all are gone through until the scales stand still.
_ROUNDS = 50
_STILL = 1e-3


@dataclass(frozen=True)
class _Pair:
    """Two layers, of which the second alone uses what the first made; `made` is its norm, or itself."""

    first: Node
    affine: Affine
    made: Node
    second: Node
    second_out: Node


def equalize_layers(draft: Draft) -> int:
    """Equalize all pairs of layers in `draft`; gives their number."""
    pairs = [pair for node in draft.calls(*_CONV2D, _aten.linear.default) if (pair := _pair_of(draft, node))]
    with torch.no_grad():
        for _ in range(_ROUNDS):
            if max((_equalize(draft, pair) for pair in pairs), default=0.0) < _STILL:
                break
    return len(pairs)


def _pair_of(draft: Draft, first: Node) -> _Pair | None:
    made = _with_norm(first)
    affine = affine_of(draft, made)
    source, second = _follow(made)
    if affine is None or second is None or not _takes_channels(made, source, second):
        return None
    weight = arguments_of(second)["weight"]
    return _Pair(first, affine, made, second, _with_norm(second)) if is_own(draft, weight) else None


def _follow(made: Node) -> tuple[Node, Node | None]:
    """What alone uses `made`, past all that treats each channel by itself, and the input that it has."""
    while len(made.users) == 1:
        user = next(iter(made.users))
        if user.target not in _HOMOGENEOUS:
            return made, user if user.args and user.args[0] is made else None
        if _mixes(user):
            break
        made = user
    return made, None


def _with_norm(layer: Node) -> Node:
    """The batch norm behind `layer` when it has one of its own, else the layer."""
    user = next(iter(layer.users), layer)
    return user if user.target in NORMS and layer_of(user) is layer else layer


def _takes_channels(made: Node, source: Node, second: Node) -> bool:
    """Whether `second` is a layer of which the input channels, of `source`, are the channels of `made`."""
    images = len(shape_of(made)) == 4
    if second.target is _aten.linear.default:
        return shape_of(source) == (shape_of(made)[:2] if images else shape_of(made))
    if second.target not in _CONV2D or not images:
        return False
    channels, groups = shape_of(made)[1], arguments_of(second)["groups"]
    return groups == 1 or (groups == channels and shape_of(arguments_of(second)["weight"])[0] == channels)


def _mixes(node: Node) -> bool:
    """Whether a mean or a flattening goes across channels."""
    if node.target is _aten.mean.dim:
        return sorted(axis % 4 for axis in arguments_of(node)["dim"] or ()) != [2, 3]
    return node.target is _aten.flatten.using_ints and shape_of(node.args[0])[2:] != (1, 1)


def _equalize(draft: Draft, pair: _Pair) -> float:
    """Equalize one pair as it is now; gives the largest change, as the logarithm of a scale."""
    first = _range(_folded(draft, pair.first, pair.made), 0)
    weight = arguments_of(pair.second)["weight"]
    depthwise = pair.second.target in _CONV2D and arguments_of(pair.second)["groups"] > 1
    second = _range(_folded(draft, pair.second, pair.second_out), 0 if depthwise else 1)
    scale = torch.where((first > 0) & (second > 0), (first / second).sqrt(), torch.ones_like(first))
    for node in filter(None, (pair.affine.weight, pair.affine.bias)):
        _multiply(draft, node, 1 / scale, 0)
    _multiply(draft, weight, scale, 0 if depthwise else 1)
    return float(scale.log().abs().max())


def _folded(draft: Draft, layer: Node, out: Node) -> torch.Tensor:
    """The weight of `layer` as it is once the norm behind it is folded in."""
    weight = draft.tensor(arguments_of(layer)["weight"])
    assert weight is not None  # noqa: S101 - only such layers are paired
    if out is layer:
        return weight
    norm = arguments_of(out)
    gamma, variance = draft.tensor(norm["weight"]), draft.tensor(norm["running_var"])
    factor = torch.rsqrt(variance + norm["eps"]) * (1 if gamma is None else gamma)
    return weight * factor.reshape(-1, *[1] * (weight.dim() - 1))


def _range(weight: torch.Tensor, axis: int) -> torch.Tensor:
    """Largest magnitude of each slice along `axis`, of shape (slices,)."""
    return weight.abs().amax([other for other in range(weight.dim()) if other != axis])


def _multiply(draft: Draft, node: Node, scale: torch.Tensor, axis: int) -> None:
    value = draft.tensor(node)
    assert value is not None  # noqa: S101 - only such nodes are given
    shape = [1] * value.dim()
    shape[axis] = -1
    draft.set_tensor(node, value * scale.reshape(shape))
