"""XNNPACK's quantizer with one correction, and with a recipe's overrides.

`XNNPACKQuantizer` fuses a convolution or linear layer with ReLU only. Before ReLU6 (hardtanh) it observes
the layer's own output, so that many INT8 codes stand for values that the clamp removes. XNNPACK folds the
clamp into the layer anyway; observing behind it costs nothing.
"""

import dataclasses

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edgeq.compile.observers import observer_class
from edgeq.compile.overrides import Plan, Setting, require_effect

_aten = torch.ops.aten
_LAYERS = (
    _aten.conv1d.default, _aten.conv1d.padding, _aten.conv2d.default, _aten.conv2d.padding,
    _aten.conv_transpose1d.default, _aten.conv_transpose2d.input, _aten.linear.default,
)  # fmt: skip
_SYMMETRIC = (torch.per_channel_symmetric, torch.per_tensor_symmetric)
_CLAMPS = (_aten.hardtanh.default, _aten.hardtanh_.default, _aten.relu6.default, _aten.relu6_.default)


class ClampAwareQuantizer(XNNPACKQuantizer):
    """`XNNPACKQuantizer` that treats ReLU6 as it treats ReLU, and does as a plan says."""

    # Without the patterns for quantization-aware training: they match nothing here (batch norm is folded
    # before the quantizer runs), and preparing them traces twelve small graphs, about 5 s.
    SUPPORTED_PATTERNS = [p for p in XNNPACKQuantizer.SUPPORTED_PATTERNS if not p.is_qat]  # noqa: RUF012

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        recipe = plan.recipe
        self.set_global(
            get_symmetric_quantization_config(
                is_per_channel=recipe.per_channel, is_dynamic=recipe.activations == "dynamic"
            )
        )

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate `model`, move output observers behind the clamps, and set what the overrides ask.

        Raises:
            RecipeError: an override selects nothing that is quantized.
        """
        if self._plan.recipe.overrides:
            self._leave_out(model)
        super().annotate(model)
        for node in model.graph.nodes:
            if node.target in _CLAMPS:
                _observe_behind(node)
        for node in model.graph.nodes:
            if Q_ANNOTATION_KEY in node.meta and node.op == "call_function":
                _set(node, self._plan.setting_of(node.name))
        return model

    def _leave_out(self, model: GraphModule) -> None:
        """Annotate once to see what there is, check the overrides against it, and wipe it out again."""
        super().annotate(model)
        takes = {node.name: own_inputs(node) for node in model.graph.nodes}
        quantized = frozenset(name for name, inputs in takes.items() if inputs)
        ranged = frozenset(n.name for n in model.graph.nodes if takes[n.name] and _carrier(n) is not None)
        require_effect(self._plan, quantized, ranged)
        for node in model.graph.nodes:
            node.meta.pop(Q_ANNOTATION_KEY, None)
        self.set_filter_function(lambda node: self._plan.setting_of(node.name).precision != "fp32")


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


def own_inputs(node: Node) -> dict[Node, QuantizationSpec]:
    """The inputs of `node` that have a quantization of their own, rather than share another's."""
    annotation = node.meta.get(Q_ANNOTATION_KEY)
    inputs = annotation.input_qspec_map if annotation else {}
    return {source: spec for source, spec in inputs.items() if isinstance(spec, QuantizationSpec)}


def _carrier(node: Node) -> Node | None:
    """The node whose output stands for that of `node`: itself, or the clamp behind it."""
    for each in (node, *(node.users if len(node.users) == 1 else ())):
        annotation = each.meta.get(Q_ANNOTATION_KEY)
        if annotation and annotation.output_qspec is not None:
            own = isinstance(annotation.output_qspec, QuantizationSpec)
            return each if own else None
    return None


def _set(node: Node, setting: Setting) -> None:
    """Give the weight of `node` its granularity, and its inputs and output their observer.

    A tensor between two operators has one range. It is the maker's: PT2E takes the observer that comes
    first in the graph.
    """
    inputs = own_inputs(node)
    for source, spec in inputs.items():
        # Weights are symmetric, activations affine; constants of the graph can be either.
        changed = (_of_weight if spec.qscheme in _SYMMETRIC else _of_activation)(spec, setting)
        node.meta[Q_ANNOTATION_KEY].input_qspec_map[source] = changed
    carrier = _carrier(node) if inputs else None
    if carrier is not None:
        annotation = carrier.meta[Q_ANNOTATION_KEY]
        annotation.output_qspec = _of_activation(annotation.output_qspec, setting)


def _of_activation(spec: QuantizationSpec, setting: Setting) -> QuantizationSpec:
    if setting.observer is None:
        return spec
    return dataclasses.replace(spec, observer_or_fake_quant_ctr=observer_class(setting.observer))


def _of_weight(spec: QuantizationSpec, setting: Setting) -> QuantizationSpec:
    plain = get_symmetric_quantization_config(is_per_channel=setting.per_channel).weight
    # The channel axis stays: that of a transposed convolution is another one.
    return dataclasses.replace(plain, ch_axis=spec.ch_axis)
