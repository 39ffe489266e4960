"""Each rewrite leaves the function as it was, and what XNNPACK makes of it is what the rewrite is for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from networks import Net, export, make_workload, sqnr_db
from torch import nn

from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.recipe import REWRITES, extend_recipe
from edgeq.compile.rewrites.rewrite import _FUNCTIONS, rewrite_program
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program
from edgeq.errors import ExportError, GateFailed
from edgeq.results.delegation import require_delegation

SHAPE = (1, 3, 8, 8)


def rewritten(model, *names, shape=SHAPE):
    """The traced program of a model, and the steps of the rewrites of these names."""
    subject = open_subject(make_workload(model, shape))
    program = trace_program(subject.module, subject.args, subject)
    return program, rewrite_program(program, extend_recipe("fp32", name="mine", rewrites=names))


def pooled(pool):
    """A function that makes a network that pools the features of a convolution this way."""

    def forward(net, x):
        return net.head(pool(net.conv(x)).flatten(1))

    return lambda: Net(forward, conv=nn.Conv2d(3, 6, 3), head=nn.Linear(6, 4))


def difference(program, steps, shape=SHAPE):
    """Largest difference of an output over its largest value, over samples of several sizes."""
    worst = 0.0
    before, after = program.module(), steps[-1].program.module()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for scale in (0.01, 1.0, 30.0):
            sample = scale * torch.randn(shape, generator=generator)
            expected = before(sample)
            worst = max(worst, float((after(sample) - expected).abs().max() / expected.abs().max()))
    return worst


def calls(program):
    """The operators of a program, in order."""
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    return [str(node.target).split(".")[1] for node in nodes]


def test_table_of_names_is_the_table_of_functions():
    assert list(_FUNCTIONS) == list(REWRITES)


@pytest.mark.parametrize(
    "pool",
    [
        lambda y: y.mean([2, 3]),
        lambda y: y.mean((-1, -2)),
        lambda y: y.mean(3).mean(2),
        lambda y: F.avg_pool2d(y, 6),
        lambda y: F.avg_pool2d(y, y.shape[2:]),
    ],
)
def test_global_mean_keeps_its_dimensions_and_the_function(pool):
    program, steps = rewritten(pooled(pool), "global-mean")
    assert [(step.name, step.places) for step in steps] == [("global-mean", 1)]
    means = [node for node in steps[-1].program.graph.nodes if node.target is torch.ops.aten.mean.dim]
    assert [node.args[1:] for node in means] == [([2, 3], True)]
    assert difference(program, steps) <= 1e-5


@pytest.mark.parametrize(
    "pool",
    [
        lambda y: y.mean([2, 3], keepdim=True),
        lambda y: y.mean(2),
        lambda y: y.mean([1, 2]),
        lambda y: y.mean([2, 3], dtype=torch.float64).float(),
        lambda y: F.avg_pool2d(y, 3),
        lambda y: F.avg_pool2d(y, 6, padding=1),
        lambda y: F.avg_pool2d(y, 6, divisor_override=5),
    ],
)
def test_what_is_no_global_mean_or_has_the_form_already_is_left_alone(pool):
    forward = lambda net, x: pool(net.conv(x))  # noqa: E731
    _, steps = rewritten(lambda: Net(forward, conv=nn.Conv2d(3, 6, 3)), "global-mean")
    assert steps == ()


def test_mean_that_is_an_output_itself_keeps_its_name_and_module():
    forward = lambda net, x: {"features": net.pool(net.conv(x)), "again": x + 1}  # noqa: E731
    model = lambda: Net(  # noqa: E731
        forward, conv=nn.Conv2d(3, 6, 3), pool=Net(lambda _, y: y.mean([2, 3]))
    )
    program, steps = rewritten(model, "global-mean")
    sample = torch.randn(SHAPE)
    before, after = program.module()(sample), steps[-1].program.module()(sample)
    assert list(before) == list(after)
    torch.testing.assert_close(after, before)
    mean = next(node for node in steps[-1].program.graph.nodes if node.target is torch.ops.aten.mean.dim)
    assert [path for path, _ in mean.meta["nn_module_stack"].values()] == ["", "pool"]


def test_program_that_was_rewritten_is_left_as_it_was():
    program, steps = rewritten(pooled(lambda y: y.mean([2, 3])), "global-mean")
    again, _ = rewritten(pooled(lambda y: y.mean([2, 3])))
    assert str(program.graph) == str(again.graph) != str(steps[-1].program.graph)
    assert program.state_dict.keys() == steps[-1].program.state_dict.keys()


SWISHES = [
    nn.functional.hardswish,
    lambda y: F.hardswish(y, inplace=True),
    lambda y: y * F.relu6(y + 3) / 6,
    lambda y: y * (F.relu6(y + 3) / 6),
    lambda y: F.hardsigmoid(y) * y,
    lambda y: y * nn.ReLU6()(y + 3.0) * (1 / 6),
]


@pytest.mark.parametrize("swish", SWISHES)
@pytest.mark.parametrize("norm", [True, False])
def test_hard_swish_is_one_operator_behind_a_clamped_layer(swish, norm):
    forward = lambda net, x: net.out(swish(net.norm(net.conv(x))))  # noqa: E731
    program, steps = rewritten(
        lambda: Net(
            forward,
            conv=nn.Conv2d(3, 6, 3),
            norm=nn.BatchNorm2d(6) if norm else nn.Identity(),
            out=nn.Conv2d(6, 4, 1),
        ),
        "hard-swish",
    )
    # The layer's output is used twice when hard-swish is in parts; afterwards once, so that it may clamp.
    assert [(step.name, step.places) for step in steps] == [("hard-swish", 1)]
    assert calls(steps[-1].program) == [
        "conv2d",
        *(["batch_norm"] if norm else []),
        "hardtanh",
        "hardswish",
        "conv2d",
    ]
    assert difference(program, steps) <= 1e-5


def test_layer_whose_output_is_used_elsewhere_is_not_clamped():
    forward = lambda net, x: (y := net.conv(x)) + F.hardswish(y)  # noqa: E731
    _, steps = rewritten(lambda: Net(forward, conv=nn.Conv2d(3, 6, 3)), "hard-swish")
    assert steps == ()


@pytest.mark.parametrize(
    "almost",
    [lambda y: y * F.relu6(y + 2) / 6, lambda y: y * F.relu6(y + 3) / 5, lambda y: y * F.relu(y + 3)],
)
def test_what_is_nearly_hard_swish_is_left_alone(almost):
    _, steps = rewritten(
        lambda: Net(lambda net, x: almost(net.conv(x)), conv=nn.Conv2d(3, 6, 3)), "hard-swish"
    )
    assert steps == ()


@pytest.mark.parametrize(
    "gate", [F.hardsigmoid, lambda y: F.relu6(y + 3) / 6, lambda y: F.hardsigmoid(y, inplace=True)]
)
@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.Conv2d(3, 6, 3), ["conv2d"]),
        (nn.Linear(8, 6), ["linear"]),
        (nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6)), ["conv2d", "batch_norm"]),
    ],
    ids=["conv", "linear", "norm"],
)
def test_hard_sigmoid_is_a_clamp_of_the_layer_before_it(gate, layer, names):
    program, steps = rewritten(lambda: Net(lambda net, x: gate(net.layer(x)), layer=layer), "hard-sigmoid")
    assert [(step.name, step.places) for step in steps] == [("hard-sigmoid", 1)]
    assert calls(steps[-1].program) == [*names, "hardtanh"]
    assert difference(program, steps) <= 1e-5
    # The user's weights are as they were: the program has others.
    assert torch.equal(
        program.state_dict["layer.0.weight" if len(names) > 1 else "layer.weight"], next(layer.parameters())
    )


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: F.hardsigmoid(x),
        lambda net, x: F.hardsigmoid(net.bare(x)),
        lambda net, x: F.hardsigmoid(y := net.conv(x)) + y,
        lambda net, x: F.hardsigmoid(net.conv(x)) + net.conv(x + 1),
    ],
    ids=["no layer", "no bias", "output used twice", "weights used twice"],
)
def test_hard_sigmoid_whose_layer_cannot_be_changed_is_left_alone(forward):
    model = lambda: Net(forward, conv=nn.Conv2d(3, 6, 3), bare=nn.Conv2d(3, 6, 3, bias=False))  # noqa: E731
    _, steps = rewritten(model, "hard-sigmoid")
    assert steps == ()


class SqueezeExcite(nn.Module):
    """As in MobileNetV3: an expansion with hard-swish, its channels weighted by what their means say."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)
        self.pool, self.squeeze, self.excite = (
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(16, 4, 1),
            nn.Conv2d(4, 16, 1),
        )
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        y = F.hardswish(self.norm(self.conv(x)))
        y = y * F.hardsigmoid(self.excite(F.relu(self.squeeze(self.pool(y)))))
        return self.head(F.hardswish(y).mean([2, 3]))


def test_squeeze_and_excitation_is_int8_from_end_to_end():
    workload = make_workload(SqueezeExcite, SHAPE, samples=16)
    made = export(workload, "int8")
    assert made.manifest.rewrites == {"hard-swish": 1, "hard-sigmoid": 1, "global-mean": 1}
    assert made.manifest.delegation.left_out == ()
    ranges = {each.operator: each for each in made.manifest.coverage.ranges}
    kinds = {"hardtanh", "hardswish", "adaptive_avg_pool2d", "relu", "mul", "mean", "linear"}
    assert set(ranges) == {"", *kinds}
    # Both means have ranges of their own: they are narrower than what they average.
    assert ranges["mean"].high < ranges["hardswish"].high
    subject = open_subject(workload)
    host = HostProgram(made.program, made.inputs)
    with torch.no_grad():
        pairs = [(subject.module(*row), host.run(list(row))[0]) for row in workload.calibration()]
    assert (
        sqnr_db(*(np.concatenate([part.numpy() for part in side]) for side in zip(*pairs, strict=True))) > 25
    )


def test_network_that_ends_in_a_global_mean_is_one_delegate_by_default():
    workload = make_workload(pooled(lambda y: y.mean([2, 3])), SHAPE)
    made = export(workload, "int8")
    assert made.manifest.rewrites == {"global-mean": 1}
    assert made.manifest.delegation.left_out == ()
    plain = export(workload, extend_recipe("int8", name="plain", rewrites=()))
    assert plain.manifest.rewrites == {}
    assert [(each.op, each.remedy) for each in plain.manifest.delegation.left_out] == [
        ("aten.mean.dim", "add 'global-mean' to the recipe's `rewrites`")
    ]
    require_delegation("net", made.manifest.delegation, 1.0)
    with pytest.raises(GateFailed, match="by nodes it is"):
        require_delegation("net", plain.manifest.delegation, 1.0)
    np.testing.assert_equal(made.manifest.weights_sha256, plain.manifest.weights_sha256)


def test_rewrite_that_changes_the_function_is_refused_by_name(monkeypatch, tmp_path):
    def rewrite_wrongly(draft):
        for node in draft.calls(torch.ops.aten.mean.dim):
            draft.replace(node, draft.call(torch.ops.aten.amax.default, node.args[0], [2, 3], like=node))
        return 1

    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    monkeypatch.setitem(_FUNCTIONS, "global-mean", rewrite_wrongly)
    with pytest.raises(ExportError) as caught:
        export(make_workload(pooled(lambda y: y.mean([2, 3])), SHAPE), "fp32")
    assert "'global-mean' changed the function" in caught.value.message
    assert "leave 'global-mean' out" in caught.value.hint
