"""Weights of 4 bits: what they are made of, which layers have them, and that XNNPACK runs them."""

import pytest
import torch
from networks import Net, export, make_workload, sqnr_db
from torch import nn

from edgeq.artifact import read_samples
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.quantization.groupwise import choose_codes
from edgeq.compile.recipe import Override, extend_recipe
from edgeq.errors import NotQuantizedError, RecipeError

SEQUENCE = (1, 2, 32)


def test_codes_are_no_further_from_the_weights_than_those_of_the_widest_scale():
    torch.manual_seed(2)
    weight = torch.randn(6, 96) * torch.logspace(-4, 2, 6)[:, None]
    codes, scales = choose_codes(weight, 32)
    assert codes.dtype == torch.int8
    assert (int(codes.min()), int(codes.max())) == (-8, 7)
    assert torch.equal(scales, scales.bfloat16().float())
    parts = weight.reshape(6, 3, 32)
    error = (codes.reshape(parts.shape) * scales[..., None] - parts).square().sum(-1)
    plain = (parts.abs().amax(-1, keepdim=True) / 7).bfloat16().float()
    assert (error <= ((parts / plain).round() * plain - parts).square().sum(-1)).all()


def test_weights_of_zero_stay_zero():
    codes, scales = choose_codes(torch.zeros(2, 64), 32)
    assert not codes.any()
    assert (scales > 0).all()


def attend(attention, x):
    return attention(x, x, x)[0]


def make_mixed():
    """An LSTM, attention, a layer of 8 inputs that int4 cannot take, and one that it can."""
    return Net(
        lambda net, x: net.out(net.narrow(attend(net.attention, net.rnn(x)[0]))[..., :8]),
        rnn=nn.LSTM(32, 32, batch_first=True),
        attention=nn.MultiheadAttention(32, 2, batch_first=True),
        narrow=nn.Linear(32, 16),
        out=nn.Linear(8, 4),
    )


NARROW = [Override(module="out", precision="int8"), Override(module="narrow", precision="fp32")]


@pytest.fixture(scope="module")
def mixed():
    workload = make_workload(make_mixed, SEQUENCE)
    return workload, export(workload, extend_recipe("int4-weight", name="mixed", overrides=NARROW))


def test_each_layer_has_the_precision_that_was_asked_for(mixed):
    layers = mixed[1].manifest.layers
    assert [(layer.module, layer.asked, layer.got, layer.bytes) for layer in layers] == [
        ("rnn", "int4", "int4", 4 * 32 * (32 + 32) // 2),
        ("attention", "int4", "int4", 3 * 32 * 32 // 2),
        ("attention.out_proj", "int4", "int4", 32 * 32 // 2),
        ("narrow", "fp32", "fp32", 4 * 16 * 32),
        ("out", "int8", "int8", 4 * 8),
    ]


def test_runtime_gives_what_the_converted_model_gives(mixed):
    folder = mixed[1].folder
    host = HostProgram(mixed[1].program, mixed[1].inputs)
    given, expected = (read_samples(folder / f"{name}.safetensors") for name in ("inputs", "outputs"))
    for inputs, outputs in zip(given, expected, strict=True):
        got = host.run([torch.from_numpy(array) for array in inputs])[0].numpy()
        assert sqnr_db(outputs[0], got) > 30


def test_recipe_in_the_manifest_makes_the_same_program_again(mixed, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    workload, made = mixed
    assert export(workload, str(made.folder)).program.read_bytes() == made.program.read_bytes()


@pytest.mark.parametrize(
    ("model", "shape", "complaint"),
    [
        (lambda: nn.Sequential(nn.Linear(40, 4)), (1, 40), "0 (linear): its 40 inputs are no multiple of"),
        (lambda: nn.Sequential(nn.Conv2d(32, 4, 1)), (1, 32, 4, 4), "0 (conv2d): only linear layers"),
    ],
)
def test_layer_that_cannot_have_int4_weights_is_refused_by_name(model, shape, complaint):
    with pytest.raises(NotQuantizedError) as caught:
        export(make_workload(model, shape), "int4-weight")
    assert complaint in caught.value.message
    assert "int8 or fp32 by an override" in caught.value.hint


@pytest.mark.parametrize(
    ("base", "changes", "complaint"),
    [
        ("int8", {"weights": "int4", "group": 32}, "its activations are static"),
        ("int8-dynamic", {"weights": "int4"}, "no group"),
        ("int8-dynamic", {"group": 32}, "no int4 weights"),
        ("int8-dynamic", {"overrides": [Override(module="a", precision="int4")]}, "no group"),
    ],
)
def test_recipe_that_makes_no_sense_is_refused(base, changes, complaint):
    with pytest.raises(RecipeError, match=complaint):
        extend_recipe(base, name="mine", **changes)
