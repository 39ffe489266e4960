"""A small LSTM on real sequences: handwritten digits read row by row, 8 steps of 8 pixels.

The images are scikit-learn's (the UCI optical recognition test set, inside its wheel). One in five is held
out; the network is trained on the rest in some seconds, with a fixed seed on one thread, and its weights are
kept by the content of this file and the versions that trained it.
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
HIDDEN = 64
BATCH = 64
CALIBRATION_SAMPLES = 64


class RowReader(nn.Module):
    """(N, 8, 8) rows of pixels in [0, 1] to (N, 10) logits, from the state after the last row."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.rnn = nn.LSTM(32, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Logits of `rows`."""
        states, _ = self.rnn(self.embed(rows))
        logits: torch.Tensor = self.head(states[:, -1])
        return logits


def model() -> nn.Module:
    """The trained network; the first call trains it."""
    versions = {"torch": torch.__version__, "sklearn": sklearn.__version__, "numpy": np.__version__}
    key = key_of({"source": file_sha256(Path(__file__)), **versions})
    folder, _ = cached("digits_lstm", key, _train_into)
    network = RowReader()
    safetensors.torch.load_model(network, folder / "weights.safetensors")
    return network


def example_inputs() -> tuple[torch.Tensor]:
    """One held-out image, (1, 8, 8)."""
    return (split_digits()[1][:1],)


def calibration() -> Iterator[tuple[torch.Tensor]]:
    """Images of the training part, one at a time."""
    images = split_digits()[0]
    for index in range(CALIBRATION_SAMPLES):
        yield (images[index : index + 1],)


def evaluate(predict: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
    """Top-1 accuracy on the held-out images."""
    _, images, _, labels = split_digits()
    right = sum(int(predict(images[i : i + 1]).argmax()) == int(labels[i]) for i in range(len(images)))
    return {"top1": right / len(images)}


def train(network: nn.Module) -> None:
    """Train on with the rounding in place (int8-qat): two epochs at a low rate."""
    images, _, labels, _ = split_digits()
    fit(network, images, labels, rate=0.0005, epochs=2)


def split_digits(test_size: float = 0.2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Training images, held-out images, training labels, held-out labels."""
    bunch = load_digits()
    # The pixels are counts from 0 to 16.
    images = (bunch.images / 16.0).astype(np.float32)
    split = train_test_split(
        images, bunch.target, test_size=test_size, random_state=SEED, stratify=bunch.target
    )
    train_images, test_images, train_labels, test_labels = map(torch.from_numpy, split)
    return train_images, test_images, train_labels, test_labels


def train_into(folder: Path, make: Callable[[], nn.Module], train: Callable[[nn.Module], None]) -> None:
    """Train the network that `make` gives by `train`, and write its weights into `folder`."""
    threads = torch.get_num_threads()
    # One thread: the order of the sums, and so the weights, do not depend on the number of cores.
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            network = make().train()
            train(network)
    finally:
        torch.set_num_threads(threads)
    safetensors.torch.save_model(network, str(folder / "weights.safetensors"))


def fit(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    rate: float,
    epochs: int,
    decay: float = 0.01,
) -> None:
    """Cross-entropy over `images` in batches; the rate rises to `rate` and falls, the weights decay."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=epochs * steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(BATCH)[:steps]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()


def _train_into(folder: Path) -> None:
    images, _, labels, _ = split_digits()
    train_into(folder, RowReader, lambda network: fit(network, images, labels, rate=0.01, epochs=25))
