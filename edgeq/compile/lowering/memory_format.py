"""How images lie in memory at the program's borders: row-major, or with their channels last.

XNNPACK computes with the channels last. A program that takes row-major images turns each one at its input;
where the caller has them with the channels last, as cameras and decoders do, that work is for nothing. The
shape stays (N, C, H, W): what changes is the dimension order, 0, 2, 3, 1, of inputs of four dimensions. With
one channel both orders are the same memory, and ExecuTorch's XNNPACK backend takes one for the other.
"""

from collections.abc import Sequence
from typing import Any

import torch
from msgspec.structs import replace
from torch.fx import GraphModule

from edgeq.artifact import TensorSpec
from edgeq.compile.recipe import Recipe
from edgeq.compile.subject import Subject
from edgeq.errors import RecipeError

_ORDER = (0, 2, 3, 1)


def require_images(recipe: Recipe, subject: Subject) -> None:
    """Refuse a recipe with the channels last where no input has channels to put there.

    Raises:
        RecipeError: no input has four dimensions and several channels.
    """
    if recipe.channels_last and not any(_has_channels(spec.shape) for spec in subject.inputs):
        shapes = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in subject.inputs)
        raise RecipeError(
            f"recipe {recipe.name!r} has the channels last, and no input is (N, C, H, W) with several "
            f"channels: {shapes}",
            hint="leave `channels_last` out",
        )


def lay_out_sample(args: tuple[Any, ...], recipe: Recipe, subject: Subject) -> tuple[Any, ...]:
    """One sample, nested as it was, in the memory format that the program of `recipe` takes."""
    if not recipe.channels_last:
        return args
    return subject.nest_inputs([turn(leaf) for leaf in subject.flatten_inputs(args)])


def lay_out(leaves: Sequence[torch.Tensor], specs: Sequence[TensorSpec]) -> list[torch.Tensor]:
    """Flat inputs in the memory format that `specs` say."""
    return [turn(leaf) if spec.channels_last else leaf for leaf, spec in zip(leaves, specs, strict=True)]


def turn(tensor: torch.Tensor) -> torch.Tensor:
    """A copy with the channels last; `tensor` itself unless it is (N, C, H, W) with several channels."""
    if not _has_channels(tensor.shape):
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, memory_format=torch.channels_last).copy_(tensor)


def describe_borders(
    program: GraphModule, subject: Subject
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of `subject`, with how they lie in memory in the lowered `program`."""
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    # Weights that stay outside of the delegate come before the user's inputs.
    inputs = placeholders[len(placeholders) - len(subject.inputs) :]
    (output,) = (node for node in program.graph.nodes if node.op == "output")
    return _mark(subject.inputs, inputs), _mark(subject.outputs, output.args[0])


def _mark(specs: Sequence[TensorSpec], nodes: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, channels_last=_is_channels_last(getattr(node, "meta", {}).get("val")))
        for spec, node in zip(specs, nodes, strict=True)
    )


def _is_channels_last(value: object) -> bool:
    return isinstance(value, torch.Tensor) and _has_channels(value.shape) and value.dim_order() == _ORDER


def _has_channels(shape: Sequence[int]) -> bool:
    """Whether there are channels whose place in memory makes a difference."""
    return len(shape) == len(_ORDER) and shape[1] > 1 and shape[2] * shape[3] > 1
