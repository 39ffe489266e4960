"""The workload opened: its model in eval mode, its example inputs, and what goes in and comes out of it."""

import contextlib
import inspect
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeq.artifact import TensorSpec
from edgeq.errors import EdgeqError, WorkloadError
from edgeq.workload.loader import Workload, fault_of

SEED = 20260

# What both ExecuTorch's kernels and numpy (which carries the tensors to the device) can hold.
_DTYPES = (
    torch.float32, torch.float16, torch.float64, torch.bool,
    torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64,
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """An opened workload; `args` is one sample as the user nests it."""

    workload: Workload
    module: torch.nn.Module
    args: tuple[Any, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    in_tree: pytree.TreeSpec
    out_tree: pytree.TreeSpec

    def flatten_inputs(self, args: tuple[Any, ...]) -> list[torch.Tensor]:
        """The tensors of one sample, after a check against the example inputs.

        Raises:
            ValueError: it differs in structure, shape or dtype; the message says what was expected.
        """
        leaves, tree = pytree.tree_flatten(args)
        if tree != self.in_tree:
            raise ValueError(
                f"expected {len(self.inputs)} tensors nested as in example_inputs(), got {_kinds(args)}"
            )
        for leaf, spec in zip(leaves, self.inputs, strict=True):
            got = (
                f"{dtype_name(leaf)}{list(leaf.shape)}"
                if isinstance(leaf, torch.Tensor)
                else type(leaf).__name__
            )
            expected = f"{spec.dtype}{list(spec.shape)}"
            if got != expected:
                raise ValueError(f"input {spec.name!r}: expected {expected}, got {got}")
        return [make_plain(leaf) for leaf in leaves]

    def nest_inputs(self, leaves: Sequence[torch.Tensor]) -> tuple[Any, ...]:
        """One sample as the user nests it, from its flat tensors."""
        nested: tuple[Any, ...] = pytree.tree_unflatten(list(leaves), self.in_tree)
        return nested

    def nest_outputs(self, tensors: Sequence[torch.Tensor]) -> Any:  # noqa: ANN401 - the user's own structure
        """What the model returns, from its flat tensors."""
        return pytree.tree_unflatten(list(tensors), self.out_tree)


def open_subject(workload: Workload) -> Subject:
    """Make the model and run it once, eagerly, on its example inputs.

    The random generators are seeded before each call of the user's functions, so that a model with random
    weights is the same model in every process.

    Raises:
        WorkloadError: the model is not an `nn.Module`, raises, or takes or returns something other than
            tensors of a supported dtype.
    """
    seed_everything()
    module = workload.model()
    if not isinstance(module, torch.nn.Module):
        raise WorkloadError(
            f"{workload.name}: model() returned {type(module).__name__}, not a torch.nn.Module",
            hint="return the network itself, with its weights loaded",
        )
    # A program from a .pt2 file refuses: its mode was fixed when it was exported.
    with contextlib.suppress(NotImplementedError):
        module.eval()
    seed_everything()
    args = workload.example_inputs()
    leaves, in_tree = pytree.tree_flatten(args)
    _require_tensors(workload, "example_inputs()", leaves)
    args = pytree.tree_unflatten([make_plain(leaf) for leaf in leaves], in_tree)
    try:
        with torch.no_grad():
            result = module(*args)
    except EdgeqError:
        raise
    except Exception as error:
        raise fault_of(
            f"{workload.name}: the model raised on example_inputs()", error, workload.source
        ) from error
    outs, out_tree = pytree.tree_flatten(result)
    _require_tensors(workload, "the model", outs)
    return Subject(
        workload=workload,
        module=module,
        args=args,
        inputs=_specs(leaves, _input_names(module, args)),
        outputs=_specs(outs, _path_names(result, "output")),
        in_tree=in_tree,
        out_tree=out_tree,
    )


def seed_everything() -> None:
    """Seed the generators that a user's function may draw from."""
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)


def make_plain(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in row-major order.

    `contiguous()` is not enough: it keeps odd strides of dimensions of size 1, and ExecuTorch takes a
    tensor's dimension order from all of its strides.
    """
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())


def dtype_name(tensor: torch.Tensor) -> str:
    """The dtype as torch names it, without `torch.`."""
    return str(tensor.dtype).removeprefix("torch.")


def _require_tensors(workload: Workload, giver: str, leaves: Sequence[object]) -> None:
    if not leaves:
        raise WorkloadError(
            f"{workload.name}: {giver} gave no tensors", hint="a program needs inputs and outputs"
        )
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            raise WorkloadError(
                f"{workload.name}: {giver} gave a {type(leaf).__name__} where a tensor belongs",
                hint="make it part of the model, or a tensor",
            )
        if leaf.dtype not in _DTYPES:
            raise WorkloadError(
                f"{workload.name}: {giver} gave a tensor of {dtype_name(leaf)}",
                hint=f"inputs and outputs may be {', '.join(str(d).removeprefix('torch.') for d in _DTYPES)}",
            )


def _specs(leaves: Sequence[torch.Tensor], names: Sequence[str]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, dtype=dtype_name(leaf), shape=tuple(leaf.shape))
        for name, leaf in zip(names, leaves, strict=True)
    )


def _input_names(module: torch.nn.Module, args: tuple[Any, ...]) -> list[str]:
    parameters = inspect.signature(module.forward).parameters.values()
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = {plain[i] if i < len(plain) else f"input{i}": arg for i, arg in enumerate(args)}
    # Not `tree_flatten(named)`: that would be the same order today, but the order of `args` is the contract.
    return [name for key, arg in named.items() for name in _path_names(arg, key)]


def _path_names(tree: object, root: str) -> list[str]:
    """A name for each leaf: its keys joined by dots, under `root` unless the root is a mapping of outputs."""
    names = []
    for path, _ in pytree.tree_flatten_with_path(tree)[0]:
        keys = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path]
        names.append(".".join([root, *keys]))
    return names


def _kinds(args: object) -> str:
    if not isinstance(args, tuple):
        return f"{type(args).__name__} (a sample is a tuple)"
    return f"({', '.join(type(a).__name__ for a in args)})"
