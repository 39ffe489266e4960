"""A call and weights of its own for each layer with a batch norm behind it.

PT2E folds a batch norm into the weights of the layer in front of it, and asks neither who else uses those
weights nor who else takes the layer's output. Where a layer runs twice, or its output goes to a sum as well
as to the norm, the others would get what the norm made of it; so nothing is shared there.
"""

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft
from edgeq.compile.rewrites.layer import NORMS

_aten = torch.ops.aten
_FOLDED = (
    _aten.linear.default, _aten.conv1d.default, _aten.conv1d.padding, _aten.conv2d.default,
    _aten.conv2d.padding, _aten.conv3d.default, _aten.conv3d.padding, _aten.conv_transpose1d.default,
    _aten.conv_transpose2d.input, _aten.conv_transpose3d.input,
)  # fmt: skip


def separate_layers(draft: Draft) -> int:
    """Give the layers in front of batch norms their own calls and weights; gives how many had to get some."""
    changed = 0
    for norm in list(draft.calls(*NORMS)):
        layer = norm.args[0]
        if not isinstance(layer, Node) or layer.target not in _FOLDED:
            continue
        shared = len(layer.users) > 1
        if shared:
            layer = draft.repeat(layer)
            norm.replace_input_with(norm.args[0], layer)
        for source in layer.args[1:3]:
            if isinstance(source, Node) and len(source.users) > 1 and draft.tensor(source) is not None:
                layer.replace_input_with(source, draft.copy_weight(source))
                shared = True
        changed += shared
    return changed
