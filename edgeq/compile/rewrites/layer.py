"""What a rewrite may change of a layer: its weights and bias, where nothing else uses them."""

from dataclasses import dataclass

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft, arguments_of

_aten = torch.ops.aten

CONVOLUTIONS = (_aten.conv1d.default, _aten.conv1d.padding, _aten.conv2d.default, _aten.conv2d.padding)
LAYERS = (*CONVOLUTIONS, _aten.linear.default)
NORMS = (_aten.batch_norm.default,)


@dataclass(frozen=True)
class Affine:
    """The weight and bias whose scaling scales a layer's output: those of its batch norm when it has one."""

    weight: Node
    bias: Node | None


def layer_of(node: object) -> Node | None:
    """The convolution or linear layer that `node` is, or that `node` is the only batch norm of."""
    if not isinstance(node, Node):
        return None
    if node.target in LAYERS:
        return node
    if node.target in NORMS:
        source = node.args[0]
        if isinstance(source, Node) and source.target in CONVOLUTIONS and len(source.users) == 1:
            return source
    return None


def affine_of(draft: Draft, node: Node) -> Affine | None:
    """The weight and bias to scale so that the output of `node`, a layer or its norm, is scaled.

    None when either is used elsewhere too.
    """
    arguments = arguments_of(node)
    weight, bias = arguments["weight"], arguments["bias"]
    if is_own(draft, weight) and (bias is None or is_own(draft, bias)):
        return Affine(weight, bias)
    return None


def is_own(draft: Draft, weight: object) -> bool:
    """Whether `weight` is a weight that one node only uses."""
    return isinstance(weight, Node) and draft.tensor(weight) is not None and len(weight.users) == 1
