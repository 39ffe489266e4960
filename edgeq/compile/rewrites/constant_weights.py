"""A weight or bias that is computed from weights alone, once instead of at each inference.

Attention over another sequence (`nn.TransformerDecoderLayer`) cuts its `in_proj` apart in the program, and a
weight norm is computed there. XNNPACK wants a layer's weights as constants, and so does the quantizer.
"""

import torch
from torch.fx import Node

from edgeq.compile.rewrites.draft import Draft

_aten = torch.ops.aten
_LAYERS = (
    _aten.linear.default, _aten.conv1d.default, _aten.conv1d.padding, _aten.conv2d.default,
    _aten.conv2d.padding, _aten.conv_transpose1d.default, _aten.conv_transpose2d.input,
)  # fmt: skip


def rewrite_constant_weights(draft: Draft) -> int:
    """Compute such weights and biases in `draft`; gives their number."""
    changed = 0
    for node in draft.calls(*_LAYERS):
        for source in node.args[1:3]:
            if isinstance(source, Node) and source.op == "call_function":
                changed += draft.lift(source)
    return changed
