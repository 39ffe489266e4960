"""The mean over height and width, however it is written, as the form that XNNPACK takes: dimensions kept.

`x.mean([2, 3])` would split the program in two delegates with a portable FP32 kernel between them, and an
average pooling over the whole map would leave INT8. XNNPACK's partitioner takes `mean([2, 3], keepdim=True)`
only (`MeanDimConfig` of ExecuTorch 1.5); what follows is a view.
"""

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft, arguments_of, shape_of

_aten = torch.ops.aten


def rewrite_global_mean(draft: Draft) -> int:
    """Change each global mean of a (N, C, H, W) tensor in `draft`; gives their number."""
    changed = 0
    for node in draft.calls(_aten.mean.dim, _aten.avg_pool2d.default):
        source = node.args[0]
        if not isinstance(source, Node) or len(shape_of(source)) != 4:
            continue
        if node.target is _aten.mean.dim:
            changed += _rewrite_mean(draft, node, source)
        elif _pools_all(node, source):
            draft.replace(node, draft.call(_aten.mean.dim, source, [2, 3], True, like=node))
            changed += 1
    return changed


def _rewrite_mean(draft: Draft, node: Node, source: Node) -> bool:
    arguments = arguments_of(node)
    axes = sorted(axis % 4 for axis in arguments["dim"] or ())
    if arguments["dtype"] is not None:
        return False
    if axes == [3] and not arguments["keepdim"]:
        return _rewrite_two_means(draft, node, source)
    if axes != [2, 3] or arguments["keepdim"]:
        return False
    kept = draft.call(_aten.mean.dim, source, [2, 3], True, like=node)
    draft.replace(node, draft.call(_aten.flatten.using_ints, kept, 1, like=node))
    return True


def _rewrite_two_means(draft: Draft, inner: Node, source: Node) -> bool:
    """`x.mean(3).mean(2)`: rows of equal length, so that the mean of their means is the mean."""
    outer = next(iter(inner.users))
    if len(inner.users) != 1 or outer.target is not _aten.mean.dim:
        return False
    arguments = arguments_of(outer)
    if [axis % 3 for axis in arguments["dim"] or ()] != [2] or arguments["keepdim"] or arguments["dtype"]:
        return False
    kept = draft.call(_aten.mean.dim, source, [2, 3], True, like=outer)
    draft.replace(outer, draft.call(_aten.flatten.using_ints, kept, 1, like=outer))
    return True


def _pools_all(node: Node, source: Node) -> bool:
    """Whether an average pooling is one window over the whole map, without padding."""
    arguments = arguments_of(node)
    return (
        tuple(arguments["kernel_size"]) == shape_of(source)[2:]
        and shape_of(node)[2:] == (1, 1)
        and not any(arguments["padding"])
        and arguments["divisor_override"] is None
    )
