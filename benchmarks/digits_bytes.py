"""The built-in network for images as a camera has them, in bytes: the scaling is in its first layer.

Models that need no preprocessing come so. The weights of that layer are 255 times smaller than those of the
built-in network, and all outputs are the same.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from edgeq.workload import digits

WHITE = 255.0


def model() -> nn.Module:
    """(N, 1, 8, 8) floats from 0 to 255 to (N, 10) logits."""
    network = digits.model()
    with torch.no_grad():
        network.stem[0].weight.div_(WHITE)
    return network


def example_inputs() -> tuple[torch.Tensor]:
    """One held-out image, (1, 1, 8, 8)."""
    (image,) = digits.example_inputs()
    return (image * WHITE,)


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Images that the network was trained with, in classes as they come."""
    return ((image * WHITE,) for (image,) in digits.calibration())


def evaluate(predict: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """Top-1 accuracy on the held-out images."""
    return digits.evaluate(lambda image: predict(image * WHITE))
