"""A small MobileNetV3-like CNN that a plain INT8 recipe hurts, trained on real images.

Hard-swish, squeeze-and-excitation and depthwise convolutions on the digits of `digits_lstm.py`, twice as
large, each at a place of its own on 24x24 pixels. Trained in less than a minute on an idle machine.

What hurts is that the channels of one tensor have very different ranges, since a tensor has one INT8 scale.
In large networks the gains of the batch norms drift apart in weeks of training; half a minute on 1,347 small
images does not do that. So here they *start* apart, at log-normal values, and the network is trained from
there without weight decay, which would draw them together. Nothing is scaled after the training.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import digits_lstm as digits
import numpy as np
import safetensors.torch
import sklearn
import torch
from torch import nn

from edgeq.cache import cached, file_sha256, key_of

SIDE, DIGIT = 24, 16
# Standard deviation of the logarithm of the gains at the start of the training.
SPREAD = 1.17
RATE, EPOCHS = 0.01, 16
CALIBRATION_SAMPLES = 64
# Channels inside, channels out, squeeze-and-excitation, hard-swish (else ReLU), stride.
BLOCKS = (
    (16, 16, True, False, 1),
    (48, 24, False, False, 2),
    (72, 24, False, False, 1),
    (96, 32, True, True, 2),
    (128, 32, True, True, 1),
)


def conv_norm(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias, and its batch norm."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


class SqueezeExcite(nn.Module):
    """Each channel times a gate from 0 to 1 that is computed from the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = max(8, channels // 4)
        self.gates = nn.Sequential(
            nn.Conv2d(channels, inside, 1), nn.ReLU(), nn.Conv2d(inside, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`features`, gated."""
        gated: torch.Tensor = features * self.gates(features.mean([2, 3], keepdim=True))
        return gated


class Bottleneck(nn.Module):
    """1x1 up, 3x3 of each channel, gates, 1x1 down; a residual where shapes allow it."""

    def __init__(
        self, inputs: int, inside: int, outputs: int, stride: int, *, squeezes: bool, swishes: bool
    ) -> None:
        super().__init__()
        activation = nn.Hardswish if swishes else nn.ReLU
        self.expand = nn.Sequential(*conv_norm(inputs, inside, 1), activation())
        self.depthwise = nn.Sequential(*conv_norm(inside, inside, 3, stride, inside), activation())
        self.squeeze = SqueezeExcite(inside) if squeezes else nn.Identity()
        self.project = nn.Sequential(*conv_norm(inside, outputs, 1))
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """What the block makes of `features`."""
        made: torch.Tensor = self.project(self.squeeze(self.depthwise(self.expand(features))))
        return features + made if self.is_residual else made


class MobileNetV3(nn.Module):
    """(N, 1, 24, 24) pixels in [0, 1] to (N, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(1, 16, 3, stride=2), nn.Hardswish())
        layers, channels = [], 16
        for inside, outputs, squeezes, swishes, stride in BLOCKS:
            layers.append(Bottleneck(channels, inside, outputs, stride, squeezes=squeezes, swishes=swishes))
            channels = outputs
        self.blocks = nn.Sequential(*layers)
        self.last = nn.Sequential(*conv_norm(channels, 128, 1), nn.Hardswish())
        self.classifier = nn.Sequential(nn.Linear(128, 128), nn.Hardswish(), nn.Linear(128, 10))
        for norm in (each for each in self.modules() if isinstance(each, nn.BatchNorm2d)):
            nn.init.normal_(norm.weight, std=SPREAD)
            norm.weight.data.exp_()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of `images`."""
        features: torch.Tensor = self.last(self.blocks(self.stem(images)))
        logits: torch.Tensor = self.classifier(features.mean([2, 3], keepdim=True).flatten(1))
        return logits


def model() -> nn.Module:
    """The trained network; the first call trains it."""
    versions = {"torch": torch.__version__, "sklearn": sklearn.__version__, "numpy": np.__version__}
    sources = [file_sha256(Path(file)) for file in (__file__, str(digits.__file__))]
    folder, _ = cached("mobilenet_v3", key_of({"sources": sources, **versions}), _train_into)
    network = MobileNetV3()
    safetensors.torch.load_model(network, folder / "weights.safetensors")
    return network


def example_inputs() -> tuple[torch.Tensor]:
    """One held-out image, (1, 1, 24, 24)."""
    return (_images()[1][:1],)


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Images of the training part, one at a time."""
    images = _images()[0]
    for index in range(CALIBRATION_SAMPLES):
        yield (images[index : index + 1],)


def evaluate(predict: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """Top-1 accuracy on the held-out images."""
    _, images, _, labels = _images()
    right = sum(int(predict(images[i : i + 1]).argmax()) == int(labels[i]) for i in range(len(images)))
    return {"top1": right / len(images)}


def train(network: nn.Module) -> None:
    """Train on with the rounding in place (int8-qat): two epochs at a low rate."""
    images, _, labels, _ = _images()
    digits.fit(network, images, labels, rate=0.0005, epochs=2, decay=0.0)


@cache
def _images() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training images, held-out images, training labels, held-out labels."""
    train_images, test_images, train_labels, test_labels = digits.split_digits(test_size=0.25)
    draw = torch.Generator().manual_seed(digits.SEED)
    return _place(train_images, draw), _place(test_images, draw), train_labels, test_labels


def _place(images: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """(N, 8, 8) pixels, enlarged to DIGIT, each somewhere on SIDE x SIDE."""
    large = nn.functional.interpolate(images[:, None], size=DIGIT, mode="bilinear")
    placed = torch.zeros(len(images), 1, SIDE, SIDE)
    corners = torch.randint(0, SIDE - DIGIT + 1, (len(images), 2), generator=draw)
    for image, whole, (top, left) in zip(large, placed, corners.tolist(), strict=True):
        whole[:, top : top + DIGIT, left : left + DIGIT] = image
    return placed


def _train_into(folder: Path) -> None:
    images, _, labels, _ = _images()

    def fit(network: nn.Module) -> None:
        digits.fit(network, images, labels, rate=RATE, epochs=EPOCHS, decay=0.0)

    digits.train_into(folder, MobileNetV3, fit)
