"""The graph that an artifact holds, against the model and the program that it is of."""

import json
import shutil

import pytest
import torch
from click.testing import CliRunner
from networks import EXAMPLES, Net, export, make_workload
from torch import nn

from edgeq.artifact import GRAPH, MANIFEST, load_artifact, read_graph
from edgeq.cli.export import export as export_command
from edgeq.cli.inspect import inspect
from edgeq.compile.recipe import Override, extend_recipe
from edgeq.errors import ArtifactError


@pytest.fixture(scope="module")
def graph(digits_int8):
    return read_graph(digits_int8)


def test_multiply_accumulates_are_those_of_the_model(digits, digits_int8, graph):
    counted = {}

    def count(name):
        def hook(module, _, output):
            counted[name] = output.numel() * module.weight[0].numel()

        return hook

    model = digits.model()
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count(name))
    with torch.no_grad():
        model(*digits.example_inputs())
    assert {node.module: node.macs for node in graph.nodes if node.macs} == counted
    assert digits_int8.manifest.delegation.macs == (sum(counted.values()),) * 2


def test_every_kernel_computes_a_node_and_borders_compute_none(graph):
    (delegate,) = graph.delegates
    weighted = [k for k in delegate.kernels if k.kind in ("Conv2d", "DepthwiseConv2d", "FullyConnected")]
    assert [graph.nodes[kernel.node].module for kernel in weighted] == [
        node.module for node in graph.nodes if node.macs
    ]
    assert {kernel.kind for kernel in delegate.kernels if kernel.node is None} == {"StaticTranspose"}
    borders = [graph.nodes[kernel.node].kind for kernel in delegate.kernels if kernel.kind == "Convert"]
    assert borders == ["quantize", "dequantize"]
    (mean,) = (kernel for kernel in delegate.kernels if kernel.kind == "GlobalAvgPooling2d")
    assert graph.nodes[mean.node].op == "aten.mean.dim"


def test_tensors_have_the_scales_that_calibration_and_weights_give(digits, digits_int8, graph):
    shown = {tensor.name: tensor for tensor in graph.tensors}
    ranges = [each for each in digits_int8.manifest.coverage.ranges if each.module == "head"]
    assert [(t.scales, t.zero_points) for t in graph.tensors if t.name == "linear"] == [
        ((pytest.approx(each.scale),), (each.zero_point,)) for each in ranges
    ]
    largest = digits.model().head.weight.detach().abs().amax(1) / 127
    assert shown["head.weight"].scales == pytest.approx(largest.tolist(), rel=1e-5)
    assert shown["head.weight"].axis == 0
    # What the kernel of a convolution keeps inside is no tensor: only the clamp behind it is stored.
    stored = {tensor.dtype for tensor in graph.tensors if tensor.role == "activation"}
    assert stored == {"int8"}


def test_tensors_that_are_alive_together_do_not_overlap(graph):
    for arena, size in enumerate(graph.memory.arenas):
        planned = [tensor for tensor in graph.memory.tensors if tensor.arena == arena]
        assert planned
        for one in planned:
            assert one.offset + one.bytes <= size
            for other in planned:
                if one is not other and one.first <= other.last and other.first <= one.last:
                    assert one.offset + one.bytes <= other.offset or other.offset + other.bytes <= one.offset


def test_dynamic_scales_and_groups_are_told_as_such():
    workload = make_workload(lambda: nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4)), (1, 64))
    recipe = extend_recipe("int4-weight", name="mine", overrides=(Override(module="2", precision="int8"),))
    tensors = {tensor.name: tensor for tensor in read_graph(export(workload, recipe)).tensors}
    first, second = tensors["0.weight"], tensors["2.weight"]
    assert (first.dtype, first.group, len(first.scales)) == ("int4", 32, 16)
    assert (second.dtype, second.group, len(second.scales)) == ("int8", 0, 4)
    assert [tensor.dtype for tensor in tensors.values() if tensor.dynamic] == ["int8", "int8"]


def _copy(artifact, folder):
    shutil.copytree(artifact.folder, folder)
    for file in [folder, *folder.iterdir()]:
        file.chmod(0o755)
    return folder


def test_artifact_of_an_older_edgeq_still_loads_and_says_what_it_lacks(digits_int8, tmp_path):
    folder = _copy(digits_int8, tmp_path / "old")
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["graph_sha256"], manifest["delegation"]["macs"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / GRAPH).unlink()
    assert load_artifact(folder).label == "digits.int8"
    shown = CliRunner().invoke(inspect, [str(folder)])
    assert "by multiply-accumulates: not known: the artifact was made by an older edgeq" in shown.output
    for option in ("--tensors", "--memory"):
        error = CliRunner().invoke(inspect, [str(folder), option]).exception
        assert isinstance(error, ArtifactError)
        assert "made by an older edgeq" in error.message


def test_damaged_graph_is_refused(digits_int8, tmp_path):
    folder = _copy(digits_int8, tmp_path / "damaged")
    (folder / GRAPH).write_bytes((folder / GRAPH).read_bytes()[:-20])
    with pytest.raises(ArtifactError, match=r"graph\.json differs from the hash"):
        load_artifact(folder)


def test_inspect_shows_tensors_channels_and_memory(digits_int8):
    options = ["--tensors", "--channels", "head", "--memory"]
    text = CliRunner().invoke(inspect, [str(digits_int8.folder), *options]).output
    assert "0 to 0.9995" in text  # the range of the input
    assert text.count("head.weight") == 1 + 10
    assert "Most is alive at step" in text
    whole = json.loads(CliRunner().invoke(inspect, [str(digits_int8.folder), "--tensors", "--json"]).output)
    assert len(whole["tensors"][-2]["scales"]) == 10


@pytest.mark.parametrize("command", ["export", "run"])
def test_gate_on_delegation_fails_before_anything_is_measured(command, tmp_path):
    from edgeq.cli.run import run

    workload = str(EXAMPLES / "transformer_block.py")
    arguments = [workload, "--recipe", "fp32", "--out", str(tmp_path), "-q", "--require-delegation", "100%"]
    # A board that nobody booted: a gate that came too late would show by the time that it takes.
    result = CliRunner().invoke({"export": export_command, "run": run}[command], arguments)
    message = result.output + str(getattr(result.exception, "hint", ""))
    assert "aten.embedding.default" in message
    assert "transpose(1, 2).unsqueeze(3).mean([2, 3], keepdim=True)" in message
    assert getattr(result.exception, "exit_code", result.exit_code) == 1
    assert not list(tmp_path.rglob("report.json"))


class Meaning(nn.Module):
    """The mean over a sequence, as people write it and as the remedy says."""

    def __init__(self, remedied: bool) -> None:
        super().__init__()
        self.linear, self.remedied = nn.Linear(8, 6), remedied

    def forward(self, x):
        y = self.linear(x)
        if self.remedied:
            mean = y.transpose(1, 2).unsqueeze(3).mean([2, 3], keepdim=True).flatten(1)
            return mean, y[:, -1:].flatten(1), y[:, :2] + 1.0
        return y.mean(1), y[:, -1], y.split([2, 3], 1)[0] + 1


def test_remedies_in_the_source_do_what_they_say():
    plain, remedied = (
        export(make_workload(lambda r=r: Meaning(r), (1, 5, 8)), "fp32").manifest.delegation
        for r in (False, True)
    )
    assert {left.op: bool(left.remedy) for left in plain.left_out} == {
        "dim_order_ops._to_dim_order_copy.default": True,
        "aten.mean.dim": True,
        "aten.select_copy.int": True,
        "aten.split_with_sizes_copy.default": True,
    }
    assert remedied.left_out == ()


def test_recurrence_that_is_not_rewritten_has_the_rewrite_as_its_remedy():
    workload = make_workload(lambda: Net(lambda net, x: net.rnn(x)[0], rnn=nn.GRU(4, 6)), (3, 1, 4))
    left = export(workload, extend_recipe("fp32", name="plain", rewrites=())).manifest.delegation.left_out
    assert left
    assert {each.remedy for each in left} == {"add 'recurrence' to the recipe's `rewrites`"}
    assert export(workload, "fp32").manifest.delegation.left_out == ()
