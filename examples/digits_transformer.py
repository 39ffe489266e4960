"""A small transformer classifier on real images: handwritten digits in 16 patches of 2x2 pixels.

Two of PyTorch's own encoder layers. The data are those of `digits_lstm.py` beside it, with its way of
training: some seconds on one thread, with a fixed seed, the weights kept by the content of both files.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import digits_lstm as digits
import numpy as np
import safetensors.torch
import sklearn
import torch
from torch import nn

from edgeq.cache import cached, file_sha256, key_of

WIDTH, HEADS, PATCHES = 64, 4, 16


class PatchReader(nn.Module):
    """(N, 8, 8) pixels in [0, 1] to (N, 10) logits, from the mean over 16 patches."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, WIDTH)
        self.places = nn.Parameter(torch.randn(1, PATCHES, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.1, batch_first=True)
            for _ in range(2)
        )
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of `images`."""
        patches = images.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, PATCHES, 4)
        features: torch.Tensor = self.embed(patches) + self.places
        for block in self.blocks:
            features = block(features)
        logits: torch.Tensor = self.head(features.mean(1))
        return logits


def model() -> nn.Module:
    """The trained network; the first call trains it."""
    versions = {"torch": torch.__version__, "sklearn": sklearn.__version__, "numpy": np.__version__}
    sources = [file_sha256(Path(file)) for file in (__file__, str(digits.__file__))]
    folder, _ = cached("digits_transformer", key_of({"sources": sources, **versions}), _train_into)
    network = PatchReader()
    safetensors.torch.load_model(network, folder / "weights.safetensors")
    return network


def example_inputs() -> tuple[torch.Tensor]:
    """One held-out image, (1, 8, 8)."""
    return digits.example_inputs()


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Images of the training part, one at a time."""
    return digits.calibration()


def evaluate(predict: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """Top-1 accuracy on the held-out images."""
    return digits.evaluate(predict)


def train(network: nn.Module) -> None:
    """Train on with the rounding in place (int8-qat): two epochs at a low rate."""
    digits.train(network)


def _train_into(folder: Path) -> None:
    images, _, labels, _ = digits.split_digits()
    digits.train_into(
        folder, PatchReader, lambda network: digits.fit(network, images, labels, rate=0.002, epochs=20)
    )
