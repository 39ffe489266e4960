"""Programs with several inputs and outputs, integers and nesting run on the host as the eager model does."""

import numpy as np
import pytest
import torch
from networks import EXAMPLES, Net, export, make_workload, sqnr_db
from torch import nn
from torch.utils import _pytree as pytree

from edgeq.artifact import Artifact, read_samples
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.subject import open_subject
from edgeq.errors import WorkloadError
from edgeq.workload.loader import Workload, load_workload


def run_both(workload: Workload, artifact: Artifact) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each eager output of the example inputs beside that of the program."""
    subject = open_subject(workload)
    with torch.no_grad():
        eager = pytree.tree_leaves(subject.module(*subject.args))
    got = HostProgram(artifact.program, artifact.inputs).run(subject.flatten_inputs(subject.args))
    return [(a.numpy(), b.numpy()) for a, b in zip(eager, got, strict=True)]


def everything(net, pair, more):
    tokens, image = pair
    text = net.embedding(tokens)
    return {
        "text": text.mean(1),
        "parts": (net.conv(image), [text.sum(), tokens + more["shift"]]),
        "flag": more["shift"] > 1,
    }


def everything_inputs():
    return (torch.tensor([[3, 1, 2]]), torch.randn(1, 2, 6, 6)), {"shift": torch.tensor([[1, 2, 3]])}


@pytest.fixture(scope="module")
def nested() -> Workload:
    return make_workload(
        lambda: Net(everything, embedding=nn.Embedding(8, 4), conv=nn.Conv2d(2, 3, 3)),
        inputs=everything_inputs,
    )


def test_nested_inputs_and_outputs_are_named_and_equal_to_eager(nested):
    artifact = export(nested, "fp32")
    assert [(s.dtype, s.shape) for s in artifact.manifest.inputs] == [
        ("int64", (1, 3)),
        ("float32", (1, 2, 6, 6)),
        ("int64", (1, 3)),
    ]
    assert [s.name for s in artifact.manifest.outputs] == [
        "output.text",
        "output.parts.0",
        "output.parts.1.0",
        "output.parts.1.1",
        "output.flag",
    ]
    for eager, got in run_both(nested, artifact):
        assert eager.dtype == got.dtype
        np.testing.assert_allclose(got, eager, rtol=1e-5, atol=1e-5)


def test_nested_network_is_quantized(nested):
    artifact = export(nested, "int8")
    assert [(layer.kind, layer.got) for layer in artifact.manifest.layers] == [
        ("embedding", "fp32"),
        ("conv2d", "int8"),
    ]
    pairs = run_both(nested, artifact)
    assert sqnr_db(*pairs[1]) > 20
    for eager, got in (*pairs[:1], *pairs[2:]):
        np.testing.assert_allclose(got, eager, rtol=1e-5, atol=1e-5)


def test_reference_inputs_keep_the_order_of_the_flat_inputs(nested):
    artifact = export(nested, "fp32")
    for row in read_samples(artifact.folder / "inputs.safetensors"):
        assert [(str(a.dtype), a.shape) for a in row] == [
            (s.dtype, s.shape) for s in artifact.manifest.inputs
        ]


def test_half_precision_runs():
    workload = make_workload(
        lambda: nn.Linear(8, 4).half(), inputs=lambda: (torch.ones(1, 8, dtype=torch.float16),)
    )
    ((eager, got),) = run_both(workload, export(workload, "fp32"))
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, eager, rtol=1e-2, atol=1e-2)


def test_odd_strides_of_the_users_tensors_do_not_reach_the_program():
    transposed = lambda: (torch.randn(8, 1).t(), torch.randn(4, 1, 1, 3).permute(1, 0, 2, 3))  # noqa: E731
    workload = make_workload(
        lambda: Net(lambda net, x, y: (net.fc(x), net.conv(y)), fc=nn.Linear(8, 4), conv=nn.Conv2d(4, 2, 1)),
        inputs=transposed,
    )
    for eager, got in run_both(workload, export(workload, "int8")):
        assert sqnr_db(eager, got) > 20


@pytest.mark.parametrize("recipe", ["fp32", "int8", "int8-dynamic"])
def test_transformer_block_runs_under(recipe):
    workload = load_workload(str(EXAMPLES / "transformer_block.py"))
    artifact = export(workload, recipe)
    linear = [layer for layer in artifact.manifest.layers if layer.kind == "linear"]
    assert len(linear) == 6
    assert {layer.got for layer in linear} == {"fp32" if recipe == "fp32" else "int8"}
    assert [s.dtype for s in artifact.manifest.inputs] == ["int64", "int64"]
    for eager, got in run_both(workload, artifact):
        assert sqnr_db(eager, got) > (80 if recipe == "fp32" else 20)


def test_every_operator_left_out_has_a_reason():
    workload = load_workload(str(EXAMPLES / "transformer_block.py"))
    delegation = export(workload, "fp32").manifest.delegation
    left = {out.op: out for out in delegation.left_out}
    assert delegation.total - delegation.delegated == sum(out.count for out in delegation.left_out)
    assert "no pattern" in left["aten.embedding.default"].reason
    # The partitioner's own words.
    assert "4D tensors" in left["aten.mean.dim"].reason
    assert all(out.reason for out in delegation.left_out)


def test_program_file_is_a_workload(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "net.pt2"
    program = torch.export.export(nn.Sequential(nn.Linear(8, 4), nn.ReLU()).eval(), (torch.randn(1, 8),))
    torch.export.save(program, path)
    workload = load_workload(str(path))
    artifact = export(workload, "fp32")
    ((eager, got),) = run_both(workload, artifact)
    np.testing.assert_allclose(got, eager, rtol=1e-5, atol=1e-6)
    dynamic = export(workload, "int8-dynamic")
    assert [(layer.module, layer.got) for layer in dynamic.manifest.layers] == [("0", "int8")]


def test_file_that_is_no_program_is_refused(tmp_path):
    path = tmp_path / "net.pt2"
    path.write_bytes(b"not a program")
    with pytest.raises(WorkloadError, match=r"net\.pt2 is not a program that torch\.export\.save wrote"):
        export(load_workload(str(path)), "fp32")


def test_random_weights_are_the_same_each_time():
    first, second = (export(load_workload(str(EXAMPLES / "linear.py")), "fp32") for _ in range(2))
    assert first.folder == second.folder
    assert first.manifest.weights_sha256 == second.manifest.weights_sha256


def test_mobilenet_int8_is_under_a_third_of_fp32_and_wholly_delegated():
    workload = load_workload(str(EXAMPLES / "mobilenet_v2.py"))
    plain, quantized = export(workload, "fp32"), export(workload, "int8")
    assert quantized.info.bytes < 0.30 * plain.info.bytes
    assert {layer.got for layer in quantized.manifest.layers} == {"int8"}
    for artifact in (plain, quantized):
        assert artifact.manifest.delegation.left_out == ()
    assert quantized.manifest.calibration.samples == 24
