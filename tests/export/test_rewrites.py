"""Each rewrite leaves the function as it was, and what XNNPACK makes of it is what the rewrite is for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from networks import Net, export, make_workload
from torch import nn

from edgeq.compile.recipe import REWRITES, extend_recipe
from edgeq.compile.rewrite import _FUNCTIONS, rewrite_program
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program
from edgeq.errors import ExportError

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


def test_network_that_ends_in_a_global_mean_is_one_delegate_by_default():
    workload = make_workload(pooled(lambda y: y.mean([2, 3])), SHAPE)
    made = export(workload, "int8")
    assert made.manifest.rewrites == {"global-mean": 1}
    assert made.manifest.delegation.left_out == ()
    plain = export(workload, extend_recipe("int8", name="plain", rewrites=()))
    assert plain.manifest.rewrites == {}
    assert [each.op for each in plain.manifest.delegation.left_out] == ["aten.mean.dim"]
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
    assert "the rewrite 'global-mean' changed the function" in caught.value.message
    assert "leave 'global-mean' out" in caught.value.hint
