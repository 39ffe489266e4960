"""Overrides reach what they name and nothing else; what they cannot reach is an error with near names."""

import pytest
import torch
from networks import Net, export, make_workload
from torch import nn

from edgeq.compile.quantization.layers import find_layers
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.quantization.verify import verify_converted
from edgeq.compile.recipe import MeanSquare, MinMax, Override, Percentile, extend_recipe
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program
from edgeq.errors import NotQuantizedError, RecipeError

SHAPE = (1, 3, 8, 8)
SAMPLES = 6


class Block(nn.Sequential):
    """A convolution with norm and clamp."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU6())


def make_model() -> nn.Module:
    def forward(net, x):
        y = net.stem(x)
        y = net.pool(y + net.body(y))
        return net.head(y.flatten(1))

    return Net(forward, stem=Block(3, 8), body=Block(8, 8), pool=nn.MaxPool2d(2), head=nn.Linear(8 * 16, 4))


@pytest.fixture(scope="module")
def traced():
    subject = open_subject(make_workload(make_model, SHAPE))
    return trace_program(subject.module, subject.args, subject)


def quantize(program, *overrides, base="int8", **changes):
    """The layers and the ranges of the model under a recipe of these overrides."""
    plan = apply_overrides(program, extend_recipe(base, name="mine", overrides=overrides, **changes))
    generator = torch.Generator().manual_seed(0)
    samples = [(torch.randn(SHAPE, generator=generator),) for _ in range(SAMPLES)]
    quantized = quantize_program(program, plan, samples, SAMPLES)
    layers = verify_converted(find_layers(program), quantized.module, plan).layers
    ranges = quantized.watch.ranges if quantized.watch else ()
    return quantized.module, {layer.module: layer for layer in layers}, {r.module: r.observer for r in ranges}


def test_without_overrides_every_tensor_has_the_recipes_observer(traced):
    _, layers, observers = quantize(traced, observer=MeanSquare())
    assert set(observers) == {"input args_0", "stem.2", "body.2", "add", "head"}
    assert set(observers.values()) == {"mse"}
    assert {layer.got for layer in layers.values() if layer.kind != "batch_norm"} == {"int8"}


@pytest.mark.parametrize(
    ("override", "left"),
    [
        (Override(module="stem", precision="fp32"), {"stem.0"}),
        (Override(module="stem.0", precision="fp32"), {"stem.0"}),
        (Override(module="*.0", precision="fp32"), {"stem.0", "body.0"}),
        (Override(module_type="Conv2d", precision="fp32"), {"stem.0", "body.0"}),
        (Override(module_type="*Block", module="b*", precision="fp32"), {"body.0"}),
        (Override(operator="linear", precision="fp32"), {"head"}),
        (Override(operator="aten.conv2d.default", precision="fp32"), {"stem.0", "body.0"}),
        (Override(operator="add", precision="fp32"), set()),
    ],
    ids=lambda value: str(value) if isinstance(value, Override) else "",
)
def test_what_is_left_in_fp32_is_what_was_named(traced, override, left):
    _, layers, observers = quantize(traced, override)
    stayed = {
        name for name, layer in layers.items() if layer.kind in ("conv2d", "linear") and layer.got == "fp32"
    }
    assert stayed == left
    assert {name for name, layer in layers.items() if layer.asked != layer.got} == set()
    assert ("add" in observers) == (override.operator != "add")


def test_observer_of_a_layer_is_that_of_the_tensor_behind_its_clamp(traced):
    _, _, observers = quantize(traced, Override(module="body", observer=MinMax()))
    assert observers.pop("body.2") == "min-max"
    # Its input comes from the stem, which keeps its own.
    assert set(observers.values()) == {"histogram"}
    _, _, observers = quantize(traced, Override(module="stem", observer=Percentile()))
    assert {name for name, kind in observers.items() if kind == "percentile"} == {"input args_0", "stem.2"}


def test_last_override_decides_key_by_key(traced):
    _, layers, observers = quantize(
        traced,
        Override(module="*", observer=MinMax()),
        Override(operator="conv2d", precision="fp32"),
        Override(module="body", precision="int8"),
        Override(module="head", observer=MeanSquare()),
    )
    assert [layers[name].got for name in ("stem.0", "body.0", "head")] == ["fp32", "int8", "int8"]
    assert observers["head"] == "mse"
    assert observers["body.2"] == "min-max"


@pytest.mark.parametrize(("base", "per_channel"), [("int8", False), ("int8-per-tensor", True)])
def test_granularity_is_changed_for_one_layer_only(traced, base, per_channel):
    module, _, _ = quantize(traced, Override(module="body", per_channel=per_channel), base=base)
    found = {}
    for node in module.graph.nodes:
        if "conv2d" in str(node.target) or "linear" in str(node.target):
            found[node.name] = "per_channel" in str(node.args[1].target)
    assert list(found.values()) == [not per_channel, per_channel, not per_channel]


def test_dynamic_recipe_leaves_out_what_is_named():
    model = lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))  # noqa: E731
    recipe = extend_recipe("int8-dynamic", name="mine", overrides=[Override(module="0", precision="fp32")])
    artifact = export(make_workload(model, (1, 8), calibration=None), recipe)
    assert [layer.got for layer in artifact.manifest.layers] == ["fp32", "int8"]
    assert artifact.manifest.coverage is None


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        (Override(module="steam", precision="fp32"), "module 'steam' matches nothing", "stem"),
        (Override(module="body.9", precision="fp32"), "'body.9' matches nothing", "body.0"),
        (Override(module_type="Conv2D", precision="fp32"), "'Conv2D' matches nothing", "Conv2d"),
        (Override(operator="conv", precision="fp32"), "'conv' matches nothing", "conv2d"),
        (Override(module="zzzz", precision="fp32"), "'zzzz' matches nothing", "module may be stem"),
        (
            Override(module="head", operator="conv2d", precision="fp32"),
            "matches nothing",
            "no operator matches all",
        ),
        (Override(module="stem.2", precision="fp32"), "selects only hardtanh", "select the layer"),
        (Override(module="stem.1", observer=MinMax()), "selects only batch_norm", "select the layer"),
        (Override(operator="flatten", precision="fp32"), "selects only flatten", "select the layer"),
    ],
    ids=lambda value: str(value) if isinstance(value, Override) else "",
)
def test_override_that_reaches_nothing_is_refused_with_near_names(traced, override, message, hint):
    with pytest.raises(RecipeError) as caught:
        quantize(traced, Override(module="head", observer=MinMax()), override)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_recipe_that_leaves_every_layer_in_fp32_is_refused(traced):
    with pytest.raises(NotQuantizedError, match="leave every layer in fp32"):
        quantize(traced, Override(module="*", precision="fp32"))


def test_layer_that_cannot_be_quantized_can_be_left_out_by_name():
    model = lambda: Net(lambda net, x: net.fc(net.rnn(x)[0]), rnn=nn.LSTM(8, 8), fc=nn.Linear(8, 4))  # noqa: E731
    recipe = extend_recipe("int8", name="mine", overrides=[Override(module="rnn", precision="fp32")])
    artifact = export(make_workload(model, (1, 5, 8)), recipe)
    assert [(layer.kind, layer.asked, layer.got) for layer in artifact.manifest.layers] == [
        ("lstm", "fp32", "fp32"),
        ("linear", "int8", "int8"),
    ]


def traced_as(model):
    subject = open_subject(make_workload(model, SHAPE))
    return trace_program(subject.module, subject.args, subject)


@pytest.mark.parametrize("begin", [1, 3])
def test_block_that_begins_with_the_clamp_of_the_layer_before_it_can_be_left_in_fp32(begin):
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 3))
    program = traced_as(lambda: nn.Sequential(*layers))
    _, layers, observers = quantize(program, Override(module=f"[{begin}-4]", precision="fp32"))
    got = {int(name): layer.got for name, layer in layers.items()}
    assert got == {index: "int8" if index < begin else "fp32" for index in (0, 2, 4)}
    # The layer's range is still taken behind its clamp.
    assert str(begin) in observers


def test_convolution_in_a_recipe_of_4_bits_can_have_8():
    forward = lambda net, x: net.head(net.conv(x).flatten(1))  # noqa: E731
    program = traced_as(lambda: Net(forward, conv=nn.Conv2d(3, 1, 1), head=nn.Linear(64, 4)))
    _, layers, _ = quantize(program, Override(operator="conv2d", precision="int8"), base="int4-weight")
    assert [layer.got for layer in layers.values()] == ["int8", "int4"]


@pytest.mark.parametrize("selector", [{"operator": "cat"}, {"module": "decoder"}])
def test_concatenation_that_is_left_in_fp32_asks_for_no_common_range(selector):
    join = Net(lambda net, x, y: net.conv(torch.cat([x, y], 1).relu()), conv=nn.Conv2d(8, 4, 1))
    parts = {"a": nn.Conv2d(3, 4, 1), "b": nn.Conv2d(3, 4, 1), "decoder": join, "head": nn.Conv2d(4, 2, 1)}
    program = traced_as(lambda: Net(lambda net, x: net.head(net.decoder(net.a(x), net.b(x))), **parts))

    def scales(*overrides):
        module, _, _ = quantize(program, *overrides)
        (cat,) = (node for node in module.graph.nodes if node.target is torch.ops.aten.cat.default)
        assert all("dequantize" in str(node.target) for node in cat.args[0])
        return {node.args[1] for node in cat.args[0]}

    assert len(scales()) == 1
    assert len(scales(Override(precision="fp32", **selector))) == 2


def test_linear_layer_whose_weight_is_a_buffer_has_4_bits():
    head = nn.Linear(64, 4)
    weight = head.weight.detach()
    del head.weight
    head.register_buffer("weight", weight)
    program = traced_as(lambda: Net(lambda net, x: net.head(x.mean(1).flatten(1)), head=head))
    _, layers, _ = quantize(program, base="int4-weight")
    assert layers["head"].got == "int4"
