"""What PT2E does beside observing keeps the function: shared layers, their norms, and whole numbers."""

import numpy as np
import pytest
import torch
from networks import Net, export, make_workload, sqnr_db
from torch import nn

from edgeq.compile.quantization.layers import find_layers
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import insert_observers, quantize_program
from edgeq.compile.quantization.verify import verify_converted
from edgeq.compile.recipe import find_recipe
from edgeq.compile.rewrites.rewrite import require_equal, rewrite_program
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program
from edgeq.errors import ExportError

SHAPE = (1, 3, 8, 8)
SAMPLES = 4


def norm(channels):
    made = nn.BatchNorm2d(channels)
    with torch.no_grad():
        made.running_mean.normal_()
        made.running_var.uniform_(0.3, 3)
        made.weight.uniform_(0.5, 2)
        made.bias.normal_()
    return made


def preactivated(net, x):
    y = net.stem(x)
    return y + net.conv(net.norm(y).relu())


def twice(net, x):
    return net.norm(net.stem(x)) + net.norm(net.stem(x.flip(3))) * 2


def levels(net, x):
    return net.norm(net.stem(x)), net.other(net.stem(x[:, :, ::2, ::2]))


def two_norms(net, x):
    y = net.stem(x)
    return net.norm(y) - net.other(y)


def net(forward, *, bias=False):
    torch.manual_seed(0)
    return Net(
        forward,
        stem=nn.Conv2d(3, 6, 3, padding=1, bias=bias),
        norm=norm(6),
        other=norm(6),
        conv=nn.Conv2d(6, 6, 3, padding=1),
    )


def traced(model):
    subject = open_subject(make_workload(model, SHAPE))
    return trace_program(subject.module, subject.args, subject)


def noise():
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(SHAPE, generator=generator),) for _ in range(SAMPLES)]


def closeness(program, module):
    """The worst SQNR of an output."""
    original = program.module()
    with torch.no_grad():
        pairs = [(original(*row), module(*row)) for row in noise()]
    if isinstance(pairs[0][0], torch.Tensor):
        pairs = [((a,), (b,)) for a, b in pairs]
    flat = [
        (np.stack([a[i] for a, _ in pairs]), np.stack([b[i] for _, b in pairs]))
        for i in range(len(pairs[0][0]))
    ]
    return min(sqnr_db(a, b) for a, b in flat)


@pytest.mark.parametrize(
    ("forward", "bias", "recipe"),
    [
        (preactivated, False, "int8"),
        (preactivated, True, "int8"),
        (twice, False, "int8-dynamic"),
        (twice, True, "int8"),
        (levels, True, "int8-dynamic"),
        (two_norms, False, "int8"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_norm_is_folded_into_its_own_use_of_a_layer_only(forward, bias, recipe):
    program = traced(lambda: net(forward, bias=bias))
    steps = rewrite_program(program, find_recipe(recipe))
    assert [(step.name, step.places) for step in steps] == [("own-weights", 1)]
    require_equal(program, steps, noise())
    plan = apply_overrides(steps[-1].program, find_recipe(recipe))
    prepared = insert_observers(steps[-1].program, plan)
    assert closeness(program, prepared) > 100
    assert not [node for node in prepared.graph.nodes if "batch_norm" in str(node.target)]
    converted = quantize_program(steps[-1].program, plan, noise(), SAMPLES).module
    assert closeness(program, converted) > 30
    layers = verify_converted(find_layers(steps[-1].program), converted, plan).layers
    assert {layer.got for layer in layers if layer.kind == "conv2d"} == {"int8"}


@pytest.mark.parametrize("recipe", ["fp32", "int8-qat"])
def test_nothing_is_repeated_where_no_norm_is_folded(recipe):
    assert rewrite_program(traced(lambda: net(preactivated)), find_recipe(recipe)) == ()


@pytest.mark.parametrize("forward", [preactivated, twice, levels])
def test_function_that_is_changed_before_any_rounding_is_refused(forward):
    program = traced(lambda: net(forward))
    plan = apply_overrides(program, find_recipe("int8"))
    with pytest.raises(ExportError, match="before anything was rounded") as caught:
        quantize_program(program, plan, noise(), SAMPLES)
    assert "a layer of its own" in caught.value.hint


def test_whole_numbers_stay_whole_beside_scalars():
    def forward(net, x):
        y = net.head(net.table((x[:, 0, 0] > 0).long() + 1)) * 0.5
        return y, y.argmax(2) + 1

    program = traced(lambda: Net(forward, table=nn.Embedding(4, 8), head=nn.Linear(8, 4)))
    converted = quantize_program(
        program, apply_overrides(program, find_recipe("int8")), noise(), SAMPLES
    ).module
    with torch.no_grad():
        values, classes = converted(*noise()[0])
    assert values.dtype == torch.float32
    assert torch.equal(classes, values.argmax(2) + 1)
    assert classes.dtype == torch.int64


def test_what_pt2e_raises_is_an_error_for_people(monkeypatch):
    def fail(*_):
        raise RuntimeError("no observer for this")

    monkeypatch.setattr("edgeq.compile.quantization.quantize.prepare_pt2e", fail)
    with pytest.raises(ExportError, match="PT2E could not quantize net: RuntimeError: no observer for this"):
        export(make_workload(lambda: nn.Linear(8, 4), (1, 8)), "int8-dynamic")
