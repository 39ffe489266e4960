"""Properties of the affine map that programs are quantized by, on random tensors."""

import pytest
import torch
from networks import make_workload
from torch import nn

from edgeq.compile.quantization.observers import observer_class
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import insert_observers
from edgeq.compile.recipe import OBSERVERS, MinMax, find_recipe
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program

SEEDS = range(5)


def round_trip(values, scale, zero):
    """Quantize to -128..127 and back."""
    codes = (values / scale).round().add(zero).clamp(-128, 127)
    return (codes - zero) * scale


def draw(seed, *shape):
    """Values of a random spread and offset."""
    generator = torch.Generator().manual_seed(seed)
    spread, offset = torch.randn(2, generator=generator).mul(2).exp()
    return torch.randn(shape, generator=generator) * spread + offset * (-1) ** seed


def ranged(spec, values):
    observer = observer_class(spec)(
        dtype=torch.int8, quant_min=-128, quant_max=127, qscheme=torch.per_tensor_affine
    )
    observer(values)
    return observer.calculate_qparams()


@pytest.mark.parametrize("seed", SEEDS)
def test_round_trip_is_off_by_half_a_step_at_most(seed):
    values = draw(seed, 1000)
    scale, zero = ranged(MinMax(), values)
    assert float((round_trip(values, scale, zero) - values).abs().max()) <= float(scale) * 0.501


@pytest.mark.parametrize("kind", OBSERVERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_zero_and_codes_survive_the_round_trip_exactly(kind, seed):
    values = draw(seed, 1000)
    scale, zero = ranged(OBSERVERS[kind](), values)
    assert float(round_trip(torch.zeros(1), scale, zero)) == 0.0
    once = round_trip(values, scale, zero)
    torch.testing.assert_close(round_trip(once, scale, zero), once, rtol=1e-6, atol=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scale_for_each_channel_is_never_worse_than_one_for_all(seed):
    weight = draw(seed, 8, 16) * torch.logspace(-2, 1, 8)[:, None]
    largest = weight.abs().amax()
    whole, single = largest / 127.5, weight.abs().amax(1, keepdim=True) / 127.5
    zero = torch.zeros(1)
    errors = [(round_trip(weight, scale, zero) - weight).square().sum(1) for scale in (whole, single)]
    assert float(errors[1].sum()) < float(errors[0].sum())


def test_folding_batch_norms_leaves_the_function():
    """Observers only watch: what the prepared module computes is the network with its norms folded."""

    def model():
        norm = nn.BatchNorm2d(8)
        norm.running_mean, norm.running_var = torch.randn(8), torch.randn(8).exp()
        norm.weight.data, norm.bias.data = torch.randn(8), torch.randn(8)
        return nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU6(), nn.Conv2d(8, 4, 1))

    subject = open_subject(make_workload(model, (1, 3, 8, 8)))
    program = trace_program(subject.module, subject.args, subject)
    folded = insert_observers(program, apply_overrides(program, find_recipe("int8")))
    assert not any("batch_norm" in node.name for node in folded.graph.nodes)
    for seed in SEEDS:
        sample = draw(seed, 1, 3, 8, 8)
        with torch.no_grad():
            expected, got = subject.module(sample), folded(sample)
        assert float((got - expected).abs().max() / expected.abs().max()) <= 1e-5
