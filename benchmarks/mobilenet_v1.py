"""A MobileNetV1-shaped network at 224x224, random weights, as a workload: what quantizing.py compares on.

The shape is that of Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications" (2017), table 1: 4.2 million parameters, 569 million multiply-adds; with ReLU6, as the published
networks have it, and a global mean as it is usually written. Random weights have nothing to score: there is
no `evaluate`. The calibration data are crops of the two photographs of scikit-learn.
"""

import importlib.util
from pathlib import Path

import torch
from torch import nn

# Output channels and stride of each depthwise separable block.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    *((512, 1),) * 5, (1024, 2), (1024, 1),
)  # fmt: skip

# The images, and how they are normalized, are those of the example.
_spec = importlib.util.spec_from_file_location(
    "mobilenet_v2", Path(__file__).parents[1] / "examples" / "mobilenet_v2.py"
)
assert _spec is not None
assert _spec.loader is not None
_example = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_example)
example_inputs, calibration = _example.example_inputs, _example.calibration


class MobileNetV1(nn.Module):
    """(N, 3, 224, 224) to (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_example.conv_norm(3, 32, 3, stride=2), nn.ReLU6()]
        channels = 32
        for outputs, stride in BLOCKS:
            layers += [*_example.conv_norm(channels, channels, 3, stride, groups=channels), nn.ReLU6()]
            layers += [*_example.conv_norm(channels, outputs, 1), nn.ReLU6()]
            channels = outputs
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of `images`."""
        logits: torch.Tensor = self.classifier(self.features(images).mean([2, 3]))
        return logits


def model() -> nn.Module:
    """The network with He's initialization. edgeq seeds torch first: the weights are the same every time."""
    network = MobileNetV1()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network
