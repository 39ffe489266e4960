"""What the recipes promise: each kind of layer is INT8 in the program, or the export is refused by name."""

import pytest
import torch
from networks import Net, export, make_workload
from torch import nn
from torch.nn import functional

from edgeq.errors import NotQuantizedError

IMAGE, SEQUENCE = (1, 8, 8, 8), (1, 5, 8)


def linear_twice(net, x):
    return net.fc(functional.relu(net.fc(x)))


# Model, input shape, the modules that must be INT8 in order of execution.
QUANTIZED = {
    "linear": (lambda: nn.Sequential(nn.Linear(8, 4)), SEQUENCE, ["0"]),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(5, 6, 3)), SEQUENCE, ["0"]),
    "conv2d": (lambda: nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU()), IMAGE, ["0"]),
    "conv2d same": (lambda: nn.Sequential(nn.Conv2d(8, 6, 3, padding="same")), IMAGE, ["0"]),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)), IMAGE, ["0"]),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(8, 6, 2), nn.ReLU()), IMAGE, ["0"]),
    "conv norm relu6": (
        lambda: nn.Sequential(nn.Conv2d(8, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU6()),
        IMAGE,
        ["0"],
    ),
    "transposed norm": (
        lambda: nn.Sequential(nn.ConvTranspose2d(8, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU6()),
        IMAGE,
        ["0"],
    ),
    "used twice": (lambda: Net(linear_twice, fc=nn.Linear(8, 8)), SEQUENCE, ["fc", "fc"]),
    "bare parameter": (
        lambda: Net(lambda net, x: functional.linear(x, net.w), w=nn.Parameter(torch.randn(4, 8))),
        SEQUENCE,
        ["w"],
    ),
    "transformer": (
        lambda: nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
        SEQUENCE,
        ["0.self_attn", "0.self_attn.out_proj", "0.linear1", "0.linear2"],
    ),
    "cross attention": (
        lambda: Net(lambda net, x: net.a(x, -x, x)[0], a=nn.MultiheadAttention(8, 2, batch_first=True)),
        SEQUENCE,
        ["a", "a", "a", "a.out_proj"],
    ),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))),
        SEQUENCE,
        ["0"],
    ),
}

# Recipe, model, input shape, module and kind that the refusal must name.
REFUSED = {
    "conv3d": ("int8", lambda: nn.Sequential(nn.Conv3d(1, 4, 3)), (1, 1, 6, 6, 6), "0 (conv3d)"),
    "transposed in groups": (
        "int8",
        lambda: nn.Sequential(nn.ConvTranspose2d(8, 8, 2, groups=2)),
        IMAGE,
        "0 (conv_transpose2d)",
    ),
    "depthwise, dynamic": (
        "int8-dynamic",
        lambda: nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)),
        IMAGE,
        "0 (conv2d)",
    ),
    "conv1d, dynamic": ("int8-dynamic", lambda: nn.Sequential(nn.Conv1d(5, 6, 3)), SEQUENCE, "0 (conv1d)"),
    "conv and relu, dynamic": (
        "int8-dynamic",
        lambda: nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU()),
        IMAGE,
        "0 (conv2d)",
    ),
    "matmul": (
        "int8",
        lambda: Net(lambda net, x: x @ net.w, w=nn.Parameter(torch.randn(8, 4))),
        SEQUENCE,
        "w (matmul)",
    ),
    "einsum": (
        "int8",
        lambda: Net(lambda net, x: torch.einsum("bti,ij->btj", x, net.w), w=nn.Parameter(torch.randn(8, 4))),
        SEQUENCE,
        "w (einsum)",
    ),
    "bilinear": (
        "int8",
        lambda: Net(lambda net, x: net.b(x, x), b=nn.Bilinear(8, 8, 4)),
        SEQUENCE,
        "b (bilinear)",
    ),
}


@pytest.mark.parametrize("case", QUANTIZED)
def test_static_recipe_quantizes(case):
    model, shape, modules = QUANTIZED[case]
    artifact = export(make_workload(model, shape), "int8")
    layers = artifact.manifest.layers
    assert [layer.module for layer in layers] == modules
    assert all(layer.asked == layer.got == "int8" for layer in layers)
    weights = {name: p.numel() for name, p in model().named_parameters() if p.dim() > 1}
    if case != "cross attention":  # Its in_proj is three weights.
        assert all(layer.bytes in weights.values() for layer in layers)


@pytest.mark.parametrize("case", ["linear", "conv2d same", "transformer", "used twice"])
def test_dynamic_recipe_quantizes(case):
    model, shape, modules = QUANTIZED[case]
    layers = export(make_workload(model, shape, calibration=None), "int8-dynamic").manifest.layers
    assert [layer.module for layer in layers] == modules
    assert all(layer.got == "int8" for layer in layers)


def test_per_tensor_recipe_keeps_one_scale_a_weight():
    model, shape, _ = QUANTIZED["linear"]
    workload = make_workload(model, shape)
    per_tensor, per_channel = export(workload, "int8-per-tensor"), export(workload, "int8")
    assert per_tensor.manifest.layers == per_channel.manifest.layers
    assert per_tensor.info.bytes < per_channel.info.bytes


@pytest.mark.parametrize("case", REFUSED)
def test_layer_that_would_stay_fp32_is_refused_by_name(case):
    recipe, model, shape, named = REFUSED[case]
    with pytest.raises(NotQuantizedError) as caught:
        export(make_workload(model, shape), recipe)
    assert named in caught.value.message
    assert recipe in caught.value.message
    assert caught.value.hint


def test_layers_beside_a_refused_one_are_not_accused():
    model = lambda: nn.Sequential(nn.Conv1d(5, 5, 3), nn.Linear(6, 4))  # noqa: E731
    with pytest.raises(NotQuantizedError, match="leaves 1 of the layers") as caught:
        export(make_workload(model, SEQUENCE), "int8-dynamic")
    assert "1 (linear)" not in caught.value.message


def test_model_without_weighted_layers_cannot_be_quantized():
    with pytest.raises(NotQuantizedError, match="nothing to quantize"):
        export(make_workload(nn.Softmax, (1, 8)), "int8")


def test_embedding_is_listed_and_not_promised():
    model = lambda: nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 4))  # noqa: E731
    layers = export(
        make_workload(model, inputs=lambda: (torch.randint(0, 20, (1, 5)),)), "int8"
    ).manifest.layers
    assert [(layer.kind, layer.asked, layer.got) for layer in layers] == [
        ("embedding", "fp32", "fp32"),
        ("linear", "int8", "int8"),
    ]
