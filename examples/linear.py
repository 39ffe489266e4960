"""The smallest workload: one `nn.Linear(10, 10)` with random weights.

A workload needs two functions, `model` and `example_inputs`. This one also brings `calibration`, which the
static recipes (`int8`, `int8-per-tensor`) take their ranges from. It has no `evaluate`: a random matrix has
nothing to score.
"""

from collections.abc import Iterator

import torch
from torch import nn


def model() -> nn.Module:
    """The network. edgeq seeds torch before each call, so the weights are the same every time."""
    return nn.Linear(10, 10)


def example_inputs() -> tuple[torch.Tensor]:
    """One sample. The program is made for exactly this shape and dtype."""
    return (torch.randn(1, 10),)


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Typical samples, each like `example_inputs()`. Here normal noise is what the layer is made for."""
    for _ in range(32):
        yield (torch.randn(1, 10),)
