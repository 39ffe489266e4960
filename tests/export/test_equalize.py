"""Equalization leaves the function as it was; bias correction takes its mean error out; both gain."""

import numpy as np
import pytest
import torch
from networks import Net, export, make_workload, sqnr_db
from torch import nn

from edgeq.compile.quantization.bias_correction import correct_biases
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.recipe import extend_recipe
from edgeq.compile.rewrites.rewrite import require_equal, rewrite_program
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program
from edgeq.errors import RecipeError

SHAPE = (1, 3, 12, 12)
SAMPLES = 16


def block(inputs, outputs, kernel, groups=1):
    """A convolution with a norm whose channels differ in range by orders of magnitude, as in trained ones."""
    norm = nn.BatchNorm2d(outputs)
    nn.init.normal_(norm.bias, std=0.3)
    norm.weight.data = torch.randn(outputs).exp()
    norm.running_var = (1.5 * torch.randn(outputs)).exp()
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False), norm]


def separable():
    """Dense, depthwise and dense convolutions, a global mean and a linear layer: four pairs."""
    return nn.Sequential(
        *block(3, 16, 3), nn.ReLU(), *block(16, 16, 3, 16), nn.ReLU(), *block(16, 24, 1), nn.ReLU(),
        *block(24, 24, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip


def equalized(model, shape=SHAPE, **changes):
    """The traced program of a model, and the steps of a recipe that equalizes."""
    subject = open_subject(make_workload(model, shape))
    program = trace_program(subject.module, subject.args, subject)
    recipe = extend_recipe("int8", name="mine", equalize=True, rewrites=(), **changes)
    return program, rewrite_program(program, recipe)


def noise(count, seed, shape=SHAPE):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(shape, generator=generator),) for _ in range(count)]


def folded_ranges(program, conv, norm):
    """The largest magnitude of each output channel of a convolution with its norm folded in."""
    state = program.state_dict
    factor = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
    return (state[f"{conv}.weight"] * factor[:, None, None, None]).abs().amax((1, 2, 3))


def test_equalization_leaves_the_function_and_gives_both_layers_one_range():
    program, steps = equalized(separable)
    assert [(step.name, step.places) for step in steps] == [("equalize", 4)]
    require_equal(program, steps, noise(8, seed=1))
    after = steps[-1].program
    before = folded_ranges(program, "0", "1")
    assert before.max() > 20 * before.min()
    # A depthwise layer between two others has their range in each channel.
    torch.testing.assert_close(
        folded_ranges(after, "0", "1"), folded_ranges(after, "3", "4"), rtol=0.01, atol=0
    )
    assert program.state_dict.keys() == after.state_dict.keys()


@pytest.mark.parametrize("seed", range(3))
def test_equalization_holds_for_layers_without_norms_and_biases(seed):
    torch.manual_seed(seed)
    layers = [nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8, bias=False), nn.Linear(8, 3)]
    layers[0].weight.data *= torch.randn(8, 1).exp() ** 2
    program, steps = equalized(lambda: nn.Sequential(*layers), (4, 6))
    assert steps[-1].places == 2
    require_equal(program, steps, noise(8, seed, (4, 6)))


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.b(nn.functional.relu6(net.a(x))),
        lambda net, x: net.b(nn.functional.hardswish(net.a(x))),
        lambda net, x: net.b(y := net.a(x)) + y,
        lambda net, x: net.b(net.a(net.a(x))),
        lambda net, x: net.b(net.a(x) + 1),
        lambda net, x: net.b(net.a(x).transpose(2, 3)),
    ],
    ids=["relu6", "hard-swish", "branch", "weights used twice", "sum", "transposed"],
)
def test_what_cannot_be_equalized_is_refused(forward):
    model = lambda: Net(forward, a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 3, 1))  # noqa: E731
    with pytest.raises(RecipeError, match="no two layers have ReLU or nothing between them"):
        equalized(model)


def quantized(program, recipe, *, correct):
    """The converted module of a program, its biases corrected or not."""
    plan = apply_overrides(program, recipe)
    module = quantize_program(program, plan, noise(SAMPLES, seed=2), SAMPLES).module
    count = correct_biases(module, program, plan, noise(SAMPLES, seed=2)) if correct else 0
    return module, count


def errors(program, module):
    """SQNR on samples that were not calibrated on, and the largest shift of a channel's mean."""
    original = program.module()
    with torch.no_grad():
        rows = [(original(*row).numpy(), module(*row).numpy()) for row in noise(64, seed=3)]
    expected, got = (np.concatenate(side) for side in zip(*rows, strict=True))
    others = tuple(axis for axis in range(got.ndim) if axis != 1)
    return sqnr_db(expected, got), float(np.abs((got - expected).mean(others)).max())


def test_equalization_and_bias_correction_gain_decibels_where_one_scale_has_to_do():
    program, steps = equalized(separable)
    recipe = extend_recipe("int8-per-tensor", name="mine", rewrites=())
    plain, plain_shift = errors(program, quantized(program, recipe, correct=False)[0])
    equal, _ = errors(program, quantized(steps[-1].program, recipe, correct=False)[0])
    module, count = quantized(steps[-1].program, recipe, correct=True)
    both, both_shift = errors(program, module)
    assert count == 5
    assert equal > plain + 3
    assert both > equal + 1
    assert both_shift < plain_shift / 4


def test_bias_correction_gives_a_bias_to_a_layer_without_and_leaves_one_that_is_shared():
    def forward(net, x):
        bias = net.bias
        y = torch.relu(nn.functional.conv2d(x, net.one, bias))
        return net.bare(torch.relu(nn.functional.conv2d(y, net.two, bias)))

    model = lambda: Net(  # noqa: E731
        forward,
        one=nn.Parameter(torch.randn(3, 3, 1, 1)),
        two=nn.Parameter(torch.randn(3, 3, 1, 1)),
        bias=nn.Parameter(torch.randn(3)),
        bare=nn.Conv2d(3, 4, 1, bias=False),
    )
    subject = open_subject(make_workload(model, SHAPE))
    program = trace_program(subject.module, subject.args, subject)
    recipe = extend_recipe("int8", name="mine")
    before = {name: tensor.clone() for name, tensor in program.state_dict.items()}
    module, count = quantized(program, recipe, correct=True)
    assert count == 1
    assert errors(program, module)[1] < errors(program, quantized(program, recipe, correct=False)[0])[1]
    assert all(torch.equal(program.state_dict[name], tensor) for name, tensor in before.items())


def test_artifact_is_equalized_and_corrected_and_says_so():
    recipe = extend_recipe("int8", name="mine", equalize=True, bias_correction=True)
    workload = make_workload(separable, SHAPE, samples=8)
    made = export(workload, recipe)
    assert made.manifest.rewrites == {"equalize": 4}
    assert made.manifest.recipe["bias_correction"] is True
    assert made.manifest.delegation.left_out == ()
    assert {layer.got for layer in made.manifest.layers if layer.kind != "batch_norm"} == {"int8"}
