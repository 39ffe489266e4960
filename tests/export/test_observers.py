"""Each observer gives the range that its name says."""

import numpy as np
import pytest
import torch
from torchao.quantization.pt2e.quantizer import QuantizationSpec

from edgeq.compile.quantization.observers import EPSILON, kind_of, observer_class
from edgeq.compile.recipe import OBSERVERS, Histogram, MeanSquare, MinMax, MovingAverage, Percentile

VALUES = 100_000


def heavy_tailed() -> torch.Tensor:
    """Normal values with a few far outliers on one side."""
    values = torch.randn(VALUES, generator=torch.Generator().manual_seed(1))
    values[:10] = 40.0
    return values


def range_of(spec, *tensors, **settings):
    """The ends of the INT8 range after the tensors were seen, and the observer."""
    arguments = {"dtype": torch.int8, "quant_min": -128, "quant_max": 127, "qscheme": torch.per_tensor_affine}
    observer = observer_class(spec).with_args(**arguments, **settings)()
    for tensor in tensors:
        observer(tensor)
    scale, zero_point = (float(each) for each in observer.calculate_qparams())
    return scale * (-128 - zero_point), scale * (127 - zero_point), observer


def error_of(low, high, values):
    scale = (high - low) / 255
    codes = (values / scale).round().clamp(round(low / scale), round(high / scale))
    return float((codes * scale - values).square().mean())


def test_min_max_keeps_the_extremes():
    low, high, _ = range_of(MinMax(), torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 3.0]))
    assert (low, high) == pytest.approx((-1.0, 3.0), abs=4 / 255)


def test_moving_average_weighs_a_new_sample_by_its_constant():
    low, high, _ = range_of(
        MovingAverage(constant=0.25), torch.tensor([-1.0, 1.0]), torch.tensor([-1.0, 5.0])
    )
    assert (low, high) == pytest.approx((-1.0, 2.0), abs=3 / 255)


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.9, 100.0])
def test_percentile_keeps_that_share_of_the_values(percentile):
    values = heavy_tailed()
    low, high, _ = range_of(Percentile(percentile=percentile, bins=16_384), values)
    inside = float(((values >= low) & (values <= high)).float().mean()) * 100
    # A bin is (40 + 4) / 16384 wide and holds up to 0.1 % of the values; a step of the range as much.
    assert inside == pytest.approx(percentile, abs=0.6)
    assert high < 5 or percentile == 100


def test_percentile_clips_either_tail_alike():
    values = torch.rand(VALUES, generator=torch.Generator().manual_seed(2)) * 2 - 1
    low, high, _ = range_of(Percentile(percentile=80), values)
    assert (low, high) == pytest.approx((-0.8, 0.8), abs=0.02)


def test_mse_has_the_least_error_of_all():
    values = heavy_tailed()
    errors = {kind: error_of(*range_of(OBSERVERS[kind](), values)[:2], values) for kind in OBSERVERS}
    assert min(errors, key=errors.__getitem__) == "mse"
    # Keeping ten outliers of 40 costs more than clipping none of the others saves.
    assert errors["mse"] < errors["percentile"]


def test_mse_keeps_the_whole_of_an_even_range():
    values = torch.rand(VALUES, generator=torch.Generator().manual_seed(3)) * 6
    low, high, _ = range_of(MeanSquare(), values)
    assert (low, high) == pytest.approx((0.0, 6.0), abs=0.05)


def test_mse_comes_close_to_the_best_of_all_ranges():
    values = torch.randn(VALUES, generator=torch.Generator().manual_seed(4))
    values[0] = 12.0
    low, high, _ = range_of(MeanSquare(), values)
    finer = [(a, b) for a in np.linspace(-5, -2, 31) for b in np.linspace(3, 12, 46)]
    best = min(error_of(a, b, values) for a, b in finer)
    assert high < 11
    assert error_of(low, high, values) < 1.02 * best


@pytest.mark.parametrize("kind", OBSERVERS)
@pytest.mark.parametrize(
    "values",
    [torch.zeros(4), torch.full((4,), 3.0), torch.full((4,), -3.0), torch.linspace(5.1, 5.9, 9)],
    ids=["zeros", "threes", "minus threes", "far from zero"],
)
def test_every_observer_keeps_zero_and_stands_odd_values(kind, values):
    low, high, observer = range_of(OBSERVERS[kind](), values, values)
    assert low <= 0 <= high
    assert high - low >= 255 * EPSILON * 0.99
    assert low - 0.1 <= float(values.min())
    assert high + 0.1 >= float(values.max())
    assert kind_of(observer) == kind


@pytest.mark.parametrize("kind", OBSERVERS)
def test_memory_of_an_observer_does_not_grow_with_the_set(kind):
    _, _, observer = range_of(OBSERVERS[kind](), torch.rand(9))
    before = sum(buffer.numel() for buffer in observer.buffers())
    for _ in range(50):
        observer(torch.randn(1000))
    assert sum(buffer.numel() for buffer in observer.buffers()) == before


def test_bins_are_as_asked():
    assert range_of(Histogram(bins=512), torch.rand(9))[2].histogram.numel() == 512
    assert QuantizationSpec(torch.int8, observer_class(Histogram())).observer_or_fake_quant_ctr().bins == 2048
