"""XNNPACK's quantizer with four corrections, and with a recipe's overrides.

`XNNPACKQuantizer` fuses a convolution or linear layer with ReLU only. Before ReLU6 (hardtanh) it observes
the layer's own output, so that many INT8 codes stand for values that the clamp removes. XNNPACK folds the
clamp into the layer anyway; observing behind it costs nothing.

It gives a global mean the range of what it averages, which is far wider than that of the means; here it has
its own. And it leaves hard-swish out: where nothing else asks for INT8 behind it, as before a mean, it and
what follows would be FP32. XNNPACK does it in INT8 by a table. Small weights lose most of their codes to its
least scale, see `weight_scale`.
"""

import dataclasses

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
    XNNPACKQuantizer,
    get_symmetric_quantization_config,
)
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import propagate_annotation
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantize
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from edgeq.compile.quantization.observers import observer_class
from edgeq.compile.quantization.overrides import Plan, Setting, require_effect
from edgeq.compile.quantization.weight_scale import weight_observer

_aten = torch.ops.aten
_LAYERS = (
    _aten.conv1d.default, _aten.conv1d.padding, _aten.conv2d.default, _aten.conv2d.padding,
    _aten.conv_transpose1d.default, _aten.conv_transpose2d.input, _aten.linear.default,
    _aten.batch_norm.default,
)  # fmt: skip
_SYMMETRIC = (torch.per_channel_symmetric, torch.per_tensor_symmetric)
_RELUS = (_aten.relu.default, _aten.relu_.default)
_CLAMPS = (_aten.hardtanh.default, _aten.hardtanh_.default, _aten.relu6.default, _aten.relu6_.default)
_SCALED = (_aten.add.Tensor, _aten.mul.Tensor)
_MEANS = (_aten.mean.dim, _aten.adaptive_avg_pool2d.default)


class ClampAwareQuantizer(XNNPACKQuantizer):
    """`XNNPACKQuantizer` with the corrections above, that does as a plan says."""

    # Without the patterns for quantization-aware training: without it they match nothing (batch norm is
    # folded before the quantizer runs), and preparing them traces twelve small graphs, about 5 s.
    SUPPORTED_PATTERNS = [p for p in XNNPACKQuantizer.SUPPORTED_PATTERNS if not p.is_qat]  # noqa: RUF012

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        recipe = plan.recipe
        if recipe.training:
            self.SUPPORTED_PATTERNS = XNNPACKQuantizer.SUPPORTED_PATTERNS
        self.set_global(
            get_symmetric_quantization_config(
                is_per_channel=recipe.per_channel, is_dynamic=recipe.activations == "dynamic"
            )
        )

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Make tensors of scalars, but beside whole numbers: those are not quantized, and must stay whole."""
        whole = {
            node: node.args
            for node in model.graph.nodes
            if node.target in _SCALED and not node.meta["val"].is_floating_point()
        }
        model = super().transform_for_annotation(model)
        for node, args in whole.items():
            made = [source for source in node.all_input_nodes if source not in args]
            node.args = args
            for constant in made:
                model.graph.erase_node(constant)
                delattr(model, str(constant.target))
        model.recompile()
        return model

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate `model`, move output observers behind the clamps, and set what the overrides ask.

        Raises:
            RecipeError: an override selects nothing that is quantized.
        """
        if self._plan.recipe.overrides:
            self._check_overrides(model)
        self.set_filter_function(self._is_int8)
        self._annotate_all(model)
        for node in model.graph.nodes:
            if Q_ANNOTATION_KEY in node.meta and node.op == "call_function":
                _set(model, node, self._plan.setting_of(node.name))
        if self._plan.recipe.training:
            for node in model.graph.nodes:
                if Q_ANNOTATION_KEY in node.meta:
                    _round_in_training(node)
        return model

    def _is_int8(self, node: Node) -> bool:
        """Whether `node` is quantized; weights, about which the quantizer asks too, are as their layers."""
        if node.op != "call_function":
            return True
        # What is computed in a layer has no setting of its own.
        while node.target in (*_RELUS, *_CLAMPS, _aten.batch_norm.default):
            layer = node.args[0]
            if not isinstance(layer, Node) or layer.target not in _LAYERS or len(layer.users) != 1:
                break
            node = layer
        return self._plan.setting_of(node.name).precision == "int8"

    def _annotate_for_quantization_config(self, model: GraphModule) -> GraphModule:
        """Without the concatenations that are left out: XNNPACK's quantizer does not ask about them."""
        model = super()._annotate_for_quantization_config(model)
        for node in model.graph.nodes:
            if node.target is _aten.cat.default and self.filter_fn and not self.filter_fn(node):
                node.meta.pop(Q_ANNOTATION_KEY, None)
        return model

    def _annotate_all(self, model: GraphModule) -> None:
        super().annotate(model)
        if self._plan.recipe.activations != "static":
            return
        for node in model.graph.nodes:
            if node.target in _CLAMPS:
                _observe_behind(node)
            elif node.target is _aten.hardswish.default and (not self.filter_fn or self.filter_fn(node)):
                _quantize_alone(node)
        # What only moves data, or averages it, takes over what is in front of it: hard-swish, too, now.
        propagate_annotation(model)
        for node in model.graph.nodes:
            if node.target in _MEANS:
                _give_own_range(node)

    def _check_overrides(self, model: GraphModule) -> None:
        """Annotate all to see what there is, check the overrides against it, and wipe it out again."""
        self._annotate_all(model)
        takes = {node.name: own_inputs(node) for node in model.graph.nodes}
        quantized = frozenset(name for name, inputs in takes.items() if inputs)
        ranged = frozenset(n.name for n in model.graph.nodes if takes[n.name] and _carrier(n) is not None)
        require_effect(self._plan, quantized, ranged)
        for node in model.graph.nodes:
            node.meta.pop(Q_ANNOTATION_KEY, None)


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


def _quantize_alone(node: Node) -> None:
    """Quantize the input and output of an elementwise operator whose input is INT8 anyway."""
    source = node.args[0]
    annotation = source.meta.get(Q_ANNOTATION_KEY) if isinstance(source, Node) else None
    if annotation is None or annotation.output_qspec is None or Q_ANNOTATION_KEY in node.meta:
        return
    spec = _activation_spec()
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        input_qspec_map={source: spec}, output_qspec=spec, _annotated=True
    )


def _give_own_range(node: Node) -> None:
    annotation = node.meta.get(Q_ANNOTATION_KEY)
    if annotation is not None and isinstance(annotation.output_qspec, SharedQuantizationSpec):
        annotation.output_qspec = _activation_spec()


def _activation_spec() -> QuantizationSpec:
    spec: QuantizationSpec = get_symmetric_quantization_config().input_activation
    return spec


def own_inputs(node: Node) -> dict[Node, QuantizationSpec]:
    """The inputs of `node` that have a quantization of their own, rather than share another's."""
    annotation = node.meta.get(Q_ANNOTATION_KEY)
    inputs = annotation.input_qspec_map if annotation else {}
    return {source: spec for source, spec in inputs.items() if isinstance(spec, QuantizationSpec)}


def _carrier(node: Node) -> Node | None:
    """The node whose output stands for that of `node`: itself, or the batch norm and clamp behind it."""
    chain = [node]
    while len(chain[-1].users) == 1 and (len(chain) == 1 or chain[-1].target is _aten.batch_norm.default):
        chain.extend(chain[-1].users)
    for each in chain:
        annotation = each.meta.get(Q_ANNOTATION_KEY)
        if annotation and annotation.output_qspec is not None:
            own = isinstance(annotation.output_qspec, QuantizationSpec)
            return each if own else None
    return None


def _set(model: GraphModule, node: Node, setting: Setting) -> None:
    """Give the weight of `node` its granularity and least scale, and its inputs and output their observer.

    A tensor between two operators has one range. It is the maker's: PT2E takes the observer that comes
    first in the graph.
    """
    inputs = own_inputs(node)
    dynamic = any(spec.is_dynamic for spec in inputs.values())
    for source, spec in inputs.items():
        # Weights are symmetric, activations affine; constants of the graph can be either.
        node.meta[Q_ANNOTATION_KEY].input_qspec_map[source] = (
            _of_weight(model, source, spec, setting, dynamic=dynamic)
            if spec.qscheme in _SYMMETRIC
            else _of_activation(spec, setting)
        )
    carrier = _carrier(node) if inputs or node.target in _MEANS else None
    if carrier is not None:
        annotation = carrier.meta[Q_ANNOTATION_KEY]
        annotation.output_qspec = _of_activation(annotation.output_qspec, setting)


def _round_in_training(node: Node) -> None:
    """Have what is observed around `node` rounded too, with gradients that pass through."""
    annotation = node.meta[Q_ANNOTATION_KEY]
    for source, spec in annotation.input_qspec_map.items():
        if isinstance(spec, QuantizationSpec):
            annotation.input_qspec_map[source] = _fake(spec)
    if isinstance(annotation.output_qspec, QuantizationSpec):
        annotation.output_qspec = _fake(annotation.output_qspec)


def _fake(spec: QuantizationSpec) -> QuantizationSpec:
    if spec.qscheme in _SYMMETRIC:
        is_per_channel = spec.qscheme == torch.per_channel_symmetric
        weight = get_symmetric_quantization_config(is_per_channel=is_per_channel, is_qat=True).weight
        return dataclasses.replace(weight, ch_axis=spec.ch_axis)
    fake = FakeQuantize.with_args(observer=spec.observer_or_fake_quant_ctr)
    return dataclasses.replace(spec, observer_or_fake_quant_ctr=fake)


def _of_activation(spec: QuantizationSpec, setting: Setting) -> QuantizationSpec:
    if setting.observer is None:
        return spec
    return dataclasses.replace(spec, observer_or_fake_quant_ctr=observer_class(setting.observer))


def _of_weight(
    model: GraphModule, weight: Node, spec: QuantizationSpec, setting: Setting, *, dynamic: bool
) -> QuantizationSpec:
    observer = weight_observer(model, weight, per_channel=setting.per_channel, dynamic=dynamic)
    plain = get_symmetric_quantization_config(is_per_channel=setting.per_channel).weight
    # The channel axis stays: that of a transposed convolution is another one.
    return dataclasses.replace(plain, ch_axis=spec.ch_axis, observer_or_fake_quant_ctr=observer)
