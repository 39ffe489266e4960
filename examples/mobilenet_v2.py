"""A MobileNetV2-shaped network at 224x224, random weights: for size, delegation and instruction counts.

The shape is that of Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table
2: 3.5 million parameters, 300 million multiply-adds. There is no `evaluate`: random weights have nothing to
score. The calibration data are real images all the same: crops of the two photographs of scikit-learn.
"""

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import nn

SIZE = 224
# Expansion, output channels, repeats, stride of the first: table 2 of the paper.
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
# Mean and standard deviation of ImageNet's channels, the usual normalization of such networks.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size (but for the stride), and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 on each channel, linear 1x1 projection; added to its input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        layers = [*conv_norm(inputs, width, 1), nn.ReLU6()] if expansion > 1 else []
        layers += [*conv_norm(width, width, 3, stride, groups=width), nn.ReLU6()]
        layers += conv_norm(width, outputs, 1)
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of `x`."""
        y: torch.Tensor = self.layers(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """(N, 3, 224, 224) to (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*conv_norm(3, 32, 3, stride=2), nn.ReLU6()]
        channels = 32
        for expansion, outputs, repeats, first_stride in STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                layers.append(InvertedResidual(channels, outputs, expansion, stride))
                channels = outputs
        layers += [*conv_norm(channels, 1280, 1), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of `images`."""
        # keepdim: XNNPACK takes the mean only with its dimensions kept.
        pooled = self.features(images).mean([2, 3], keepdim=True)
        logits: torch.Tensor = self.classifier(pooled.flatten(1))
        return logits


def model() -> nn.Module:
    """The network with random weights. edgeq seeds torch first: they are the same every time.

    He's initialization keeps the signal alive through all layers; with PyTorch's own it dies out, and every
    image would give the same logits.
    """
    network = MobileNetV2()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


def example_inputs() -> tuple[torch.Tensor]:
    """One image, the middle of the first photograph."""
    return (_prepare(load_sample_images().images[0][100:324, 200:424]),)


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Overlapping crops of the photographs, plain and mirrored."""
    for image in load_sample_images().images:
        height, width, _ = image.shape
        for top in range(0, height - SIZE + 1, 200):
            for left in range(0, width - SIZE + 1, 200):
                crop = image[top : top + SIZE, left : left + SIZE]
                yield (_prepare(crop),)
                yield (_prepare(crop[:, ::-1]),)


def _prepare(image: np.ndarray) -> torch.Tensor:
    """A normalized (1, 3, 224, 224) tensor of a (224, 224, 3) image of bytes."""
    scaled = (image / 255.0 - MEAN) / DEVIATION
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32))
