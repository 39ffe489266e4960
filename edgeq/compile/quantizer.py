"""XNNPACK's quantizer with one correction: the range of a layer is observed behind its ReLU6.

`XNNPACKQuantizer` fuses a convolution or linear layer with ReLU only. Before ReLU6 (hardtanh) it observes
the layer's own output, so that many INT8 codes stand for values that the clamp removes. XNNPACK folds the
clamp into the layer anyway; observing behind it costs nothing.
"""

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

_aten = torch.ops.aten
_LAYERS = (
    _aten.conv1d.default, _aten.conv1d.padding, _aten.conv2d.default, _aten.conv2d.padding,
    _aten.conv_transpose1d.default, _aten.conv_transpose2d.input, _aten.linear.default,
)  # fmt: skip
_CLAMPS = (_aten.hardtanh.default, _aten.hardtanh_.default, _aten.relu6.default, _aten.relu6_.default)


class ClampAwareQuantizer(XNNPACKQuantizer):
    """`XNNPACKQuantizer` that treats ReLU6 as it treats ReLU."""

    # Without the patterns for quantization-aware training: they match nothing here (batch norm is folded
    # before the quantizer runs), and preparing them traces twelve small graphs, about 5 s.
    SUPPORTED_PATTERNS = [p for p in XNNPACKQuantizer.SUPPORTED_PATTERNS if not p.is_qat]  # noqa: RUF012

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate `model`, then move output observers behind the clamps."""
        super().annotate(model)
        for node in model.graph.nodes:
            if node.target in _CLAMPS:
                _observe_behind(node)
        return model


def _observe_behind(clamp: Node) -> None:
    layer = clamp.args[0]
    if not isinstance(layer, Node) or layer.target not in _LAYERS or len(layer.users) != 1:
        return
    annotation = layer.meta.get(Q_ANNOTATION_KEY)
    if annotation is None or annotation.output_qspec is None:
        return
    clamp.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        output_qspec=annotation.output_qspec, _annotated=True
    )
    annotation.output_qspec = None
