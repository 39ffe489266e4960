"""The built-in workload: a small depthwise-separable CNN on real images, scikit-learn's handwritten digits.

1,797 labelled images of 8x8 (the UCI optical recognition test set, shipped inside the scikit-learn wheel).
One in five is held out for the accuracy; the network is trained once on the rest, with a fixed seed on one
thread, and its weights are cached by the content of this file and the versions that trained it. On another
kind of processor torch takes other kernels, sums round otherwise, and the weights differ: top-1 was 0.9944
on one machine and 0.9889 on another.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import safetensors.torch
import sklearn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from edgeq.cache import cached, file_sha256, key_of

SEED = 20260
EPOCHS = 20
TUNING_EPOCHS = 3
BATCH = 128
CALIBRATION_SAMPLES = 128


class SeparableBlock(nn.Sequential):
    """A 3x3 convolution of each channel, then 1x1 across channels; each with batch norm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU6(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(),
        )


class DigitsNet(nn.Module):
    """(N, 1, 8, 8) floats in [0, 1] to (N, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6())
        self.blocks = nn.Sequential(
            SeparableBlock(32, 64, 1), SeparableBlock(64, 96, 2), SeparableBlock(96, 128, 1)
        )
        self.head = nn.Linear(128, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of `images`."""
        features: torch.Tensor = self.blocks(self.stem(images))
        # keepdim: without it XNNPACK does not take the mean, and the program falls into two delegates.
        logits: torch.Tensor = self.head(features.mean([2, 3], keepdim=True).flatten(1))
        return logits


def model() -> nn.Module:
    """The trained network; the first call trains it, which takes some seconds."""
    key = key_of(
        {
            "source": file_sha256(Path(__file__)),
            "torch": torch.__version__,
            "sklearn": sklearn.__version__,
            "numpy": np.__version__,
        }
    )
    folder, _ = cached("digits", key, _train_into)
    network = DigitsNet()
    safetensors.torch.load_model(network, folder / "weights.safetensors")
    return network


def example_inputs() -> tuple[torch.Tensor]:
    """One held-out image, (1, 1, 8, 8)."""
    return (_images()[1][:1],)


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Images of the training part, one at a time."""
    train, _, _, _ = _images()
    for index in range(CALIBRATION_SAMPLES):
        yield (train[index : index + 1],)


def evaluate(predict: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """Top-1 accuracy on the held-out images."""
    _, test, _, labels = _images()
    right = sum(int(predict(test[i : i + 1]).argmax()) == int(labels[i]) for i in range(len(test)))
    return {"top1": right / len(test)}


def train(network: nn.Module) -> None:
    """Train on, a few epochs at a low rate: for recipes that train with the rounding in place."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0005)
    _fit(network, optimizer, TUNING_EPOCHS)


def _images() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training images, held-out images, training labels, held-out labels."""
    bunch = load_digits()
    # The pixels are counts from 0 to 16.
    images = (bunch.images / 16.0).astype(np.float32)[:, None]
    split = train_test_split(images, bunch.target, test_size=0.2, random_state=SEED, stratify=bunch.target)
    train, test, train_labels, test_labels = (torch.from_numpy(np.ascontiguousarray(part)) for part in split)
    return train, test, train_labels, test_labels


def _train_into(folder: Path) -> None:
    threads = torch.get_num_threads()
    # One thread: the order of the sums, and so the weights, do not depend on the number of cores.
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            network = _train()
    finally:
        torch.set_num_threads(threads)
    safetensors.torch.save_model(network, str(folder / "weights.safetensors"))


def _train() -> nn.Module:
    network = DigitsNet().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.01)
    _fit(network, optimizer, EPOCHS)
    return network


def _fit(network: nn.Module, optimizer: torch.optim.Optimizer, epochs: int) -> None:
    """Cross-entropy over the training images, in batches; the rate rises to that of `optimizer` and falls."""
    images, _, labels, _ = _images()
    steps = len(images) // BATCH
    highest = optimizer.param_groups[0]["lr"]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=highest, total_steps=epochs * steps)
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for batch in order.split(BATCH)[:steps]:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
