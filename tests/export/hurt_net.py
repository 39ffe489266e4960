"""A workload that one scale for a whole weight hurts: most of `wide` is for a channel that is always 0."""

import torch
from torch import nn


class HurtNet(nn.Module):
    """(1, 3, 6, 6) to (1, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.wide = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head((self.first(x).relu() + self.wide(x)).mean([2, 3], keepdim=True).flatten(1))


def model():
    torch.manual_seed(0)
    net = HurtNet()
    with torch.no_grad():
        net.wide.weight[:, 2] *= 400
    return net


def inputs(seed):
    torch.manual_seed(seed)
    return (torch.randn(1, 3, 6, 6) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1),)


def example_inputs():
    return inputs(0)


def calibration():
    return (inputs(seed) for seed in range(8))


def evaluate(predict):
    """How often the outputs are those of the network itself, to a fifth of their length."""
    net = model().eval()
    samples = [inputs(seed) for seed in range(100, 180)]
    with torch.no_grad():
        pairs = [(net(*x), predict(*x)) for x in samples]
    return {"close": sum(bool((a - b).norm() < 0.2 * a.norm()) for a, b in pairs) / len(pairs)}
