"""Weights below the least scale of XNNPACK's own quantizer fill their codes, as far as the bias lets them."""

import pytest
import torch
from networks import export, make_workload
from torch import nn

from edgeq.compile.quantization import weight_scale
from edgeq.compile.quantization.observers import EPSILON


class FirstLayer(nn.Module):
    """Takes bytes: the normalization is in the weights of its first layer."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 8, 3)
        with torch.no_grad():
            self.first.weight.div_(1000)

    def forward(self, x):
        return self.second(self.first(x).relu())


def pixels():
    return (nn.functional.interpolate(torch.rand(1, 3, 6, 6), 24) * 255,)


def biased(largest):
    """A layer with one channel of tiny weights, whose bias takes the most bits that it can."""

    def make():
        layer = nn.Conv2d(3, 4, 3)
        with torch.no_grad():
            layer.weight[0] *= 1e-6
            layer.bias[0] = largest
        return nn.Sequential(layer)

    return make


def closeness(workload, recipe):
    """SQNR of the converted model and of the program on this host, against the eager model."""
    agreement = export(workload, recipe).info.accuracy.agreement
    return agreement["converted"].sqnr_db, agreement["host"].sqnr_db


@pytest.mark.parametrize("recipe", ["int8", "int8-per-tensor"])
def test_small_weights_fill_their_codes(recipe, monkeypatch, tmp_path):
    workload = make_workload(FirstLayer, inputs=pixels)
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "ours"))
    converted, host = closeness(workload, recipe)
    assert host == pytest.approx(converted, abs=0.5)
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "plain"))
    monkeypatch.setattr(weight_scale, "least_scale", lambda *_: EPSILON)
    assert host > closeness(workload, recipe)[1] + 10


class Shared(nn.Module):
    """Its weight is used by a call, too, whose third argument is a module and no bias."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        y = self.layer(x)
        return torch.cond(
            y.sum() > 0, lambda a: a @ self.layer.weight, lambda a: a @ self.layer.weight + 1, (y,)
        )


class Offset(nn.Module):
    """Tiny weights with a large bias, which is taken off again, so that the products are what is seen."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 16)
        with torch.no_grad():
            self.layer.weight.div_(100)
            self.layer.bias.fill_(80)

    def forward(self, x):
        return self.layer(x) - 80


def test_weight_that_is_not_of_a_layer_only_is_quantized():
    converted, host = closeness(make_workload(Shared, (1, 8)), "int8")
    assert host == pytest.approx(converted, abs=0.5)


def test_no_bias_is_in_the_way_of_dynamic_scales():
    converted, host = closeness(
        make_workload(Offset, inputs=lambda: (torch.rand(1, 64) * 255,)), "int8-dynamic"
    )
    assert min(converted, host) > 45


@pytest.mark.parametrize("largest", [0.0, 1.0, 8.0, 60.0])
def test_bias_still_fits_beside_the_smallest_input(largest):
    workload = make_workload(biased(largest), inputs=lambda: (torch.rand(1, 3, 8, 8) / 100,))
    converted, host = closeness(workload, "int8")
    assert host == pytest.approx(converted, abs=0.5)
