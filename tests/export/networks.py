"""Networks, workloads and exports that the tests of this folder make."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeq.artifact import Artifact, load_artifact
from edgeq.compile.recipe import Recipe
from edgeq.workload.loader import Workload

EXAMPLES = Path(__file__).parents[2] / "examples"


class Net(nn.Module):
    """A network from a function of itself and its inputs."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self._function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *args):
        return self._function(self, *args)


def residual_net() -> nn.Module:
    """Two branches that meet; the weights of `wide` for channel 2, which is always 0, are far too large."""
    torch.manual_seed(0)
    net = Net(
        lambda self, x: self.head(
            (self.first(x).relu() + self.wide(x)).mean([2, 3], keepdim=True).flatten(1)
        ),
        first=nn.Conv2d(3, 8, 3, padding=1),
        wide=nn.Conv2d(3, 8, 3, padding=1),
        head=nn.Linear(8, 4),
    )
    with torch.no_grad():
        net.wide.weight[:, 2] *= 100
    return net


def make_workload(
    model: Callable[[], nn.Module],
    *shapes: tuple[int, ...],
    inputs: Callable[[], tuple[Any, ...]] | None = None,
    samples: int = 4,
    **functions: Any,
) -> Workload:
    """A workload of normal noise of the `shapes`, or of what `inputs` gives."""

    def example_inputs() -> tuple[Any, ...]:
        return inputs() if inputs else tuple(torch.randn(shape) for shape in shapes)

    def calibration() -> Iterator[tuple[Any, ...]]:
        return (example_inputs() for _ in range(samples))

    parts = {"calibration": calibration, "evaluate": None, "source": None, **functions}
    return Workload(name="net", model=model, example_inputs=example_inputs, **parts)


def export(workload: Workload, recipe: Recipe | str) -> Artifact:
    from edgeq.compile.export import export_artifact

    return load_artifact(export_artifact(workload, recipe)[0])


def sqnr_db(reference: np.ndarray, got: np.ndarray) -> float:
    """Signal to quantization noise: 10 log10 of the power of the reference over that of the difference."""
    noise = float(np.square(reference - got, dtype=np.float64).sum())
    return float("inf") if noise == 0 else 10 * np.log10(np.square(reference, dtype=np.float64).sum() / noise)
