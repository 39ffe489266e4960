"""One transformer encoder block: self-attention and a feed-forward network, pre-norm, random weights.

An embedding turns token numbers into vectors first, so the program takes two integer inputs: the tokens and
a mask of those that count. It returns a dict. Under the INT8 recipes the six linear layers are quantized; the
embedding and the attention's own products, which hold no weights, stay in FP32.
There is no `evaluate`: random weights have nothing to score.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, LENGTH, WIDTH, HEADS = 256, 32, 64, 4


class Attention(nn.Module):
    """Multi-head self-attention over (1, LENGTH, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Attend from each position to all, `bias` (-inf or 0) added to the scores."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5 + bias
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(1, LENGTH, WIDTH)
        out: torch.Tensor = self.out(mixed)
        return out

    @staticmethod
    def _split(x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, LENGTH, HEADS, WIDTH // HEADS).transpose(1, 2)


class EncoderBlock(nn.Module):
    """Tokens (1, LENGTH) and a mask of ones and zeros of the same shape to vectors and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Encode `tokens`."""
        # A large negative number rather than -inf: infinities have no place in a quantized range.
        bias = (1.0 - mask.to(torch.float32)) * -1e4
        x = self.embedding(tokens)
        x = x + self.attention(self.norm1(x), bias[:, None, None, :])
        x = x + self.down(functional.relu(self.up(self.norm2(x))))
        return {"vectors": x, "mean": x.mean(1)}


def model() -> nn.Module:
    """The block with random weights."""
    return EncoderBlock()


def example_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens, none of them masked."""
    return torch.randint(0, VOCABULARY, (1, LENGTH)), torch.ones(1, LENGTH, dtype=torch.int64)


def calibration() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The bytes of this very file as tokens, a window at a time; the last window is padded and masked."""
    text = Path(__file__).read_bytes()
    for start in range(0, len(text), LENGTH):
        window = list(text[start : start + LENGTH])
        padding = [0] * (LENGTH - len(window))
        yield torch.tensor([window + padding]), torch.tensor([[1] * len(window) + padding])
