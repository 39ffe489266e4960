"""What the tensors of a lowered graph hold: dtype, scales, zero points, and the range of real values.

Quantized tensors stand in it as pairs of quantize and dequantize, of two libraries: `quantized_decomposed`
(PT2E) and `torchao` (weights in groups). Activations have numbers as their scales, or nodes where a scale is
taken at each inference; weights have nodes that hold one for each channel.
"""

from collections.abc import Sequence

import torch
from msgspec.structs import replace
from torch.export import ExportedProgram
from torch.fx import Node as FxNode

from edgeq.compile.quantization.groupwise import HIGHEST, LOWEST
from edgeq.compile.quantization.overrides import paths_of
from edgeq.graph import Kind, Node, Tensor


class Constants:
    """The parameters, buffers and lifted constants of a program, by the node that stands for one."""

    def __init__(self, program: ExportedProgram) -> None:
        signature = program.graph_signature
        self._names = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self._tensors = {**program.state_dict, **program.constants}

    def name_of(self, node: object) -> str | None:
        """The user's name of what `node` stands for; None when that is no constant."""
        return self._names.get(node.name) if isinstance(node, FxNode) else None

    def tensor_of(self, node: object) -> torch.Tensor | None:
        """Its values."""
        found = self._tensors.get(self.name_of(node) or "")
        return found if isinstance(found, torch.Tensor) else None


def is_conversion(node: FxNode) -> Kind | None:
    """`quantize` or `dequantize` when that is what the call does; choosing a scale is part of quantizing."""
    name = str(node.target)
    if "dequantize_" in name:
        return "dequantize"
    return "quantize" if "quantize_" in name or "choose_qparams" in name else None


def describe_activation(node: FxNode, of: Node) -> Tensor:
    """What `node` gives, under the name and module of the operator `of`."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, list | tuple) else value
    dtype, shape = _describe_value(value)
    plain = Tensor(name=_shorten(of.name), role="activation", module=of.module, dtype=dtype, shape=shape)
    if is_conversion(node) is None:
        return plain
    scale, zero, bounds = _parameters(node)
    if not isinstance(scale, float):
        return replace(plain, dynamic=True)
    zeros = (int(str(zero)),)
    low, high = _range((scale,), zeros, bounds)
    return replace(plain, scales=(scale,), zero_points=zeros, low=low, high=high)


def describe_weight(weight: FxNode, user: FxNode, constants: Constants) -> tuple[str, Tensor] | None:
    """The weight that `user` reads through `weight`, and the program's own name of it; None for no weight.

    Quantizing takes the user's name from a weight: it is called after the module that uses it.
    """
    stored = weight
    while stored.op == "call_function" and stored.all_input_nodes:
        stored = stored.all_input_nodes[0]
    values, name = constants.tensor_of(stored), constants.name_of(stored)
    if values is None or name is None:
        return None
    dtype, shape = _describe_value(values)
    if is_conversion(weight) != "dequantize":
        module = name.rpartition(".")[0]
        plain = Tensor(name=name, role="weight", module=module, dtype=dtype, shape=shape)
        known = values.is_floating_point() and values.numel() > 0
        ends = {"low": float(values.min()), "high": float(values.max())} if known else {}
        return name, replace(plain, **ends)
    module = next(iter(paths_of(user)[::-1]), "")
    plain = Tensor(
        name=f"{module}.weight".lstrip("."), role="weight", module=module, dtype=dtype, shape=shape
    )
    scale, zero, bounds = _parameters(weight)
    scales, zeros = _numbers(scale, constants), tuple(map(int, _numbers(zero, constants)))
    grouped = "affine" in str(weight.target)
    low, high = _range(scales, zeros or (0,) * len(scales), bounds)
    return name, replace(
        plain,
        dtype="int4" if grouped and bounds == (LOWEST, HIGHEST) else dtype,
        scales=scales,
        zero_points=zeros,
        axis=_axis(weight),
        group=int(weight.args[1][-1]) if grouped else 0,
        low=low,
        high=high,
    )


def _parameters(node: FxNode) -> tuple[object, object, tuple[int, int]]:
    """Scale, zero point, and the least and greatest code of a quantize or dequantize."""
    name, args = str(node.target), node.args
    if "affine" in name:  # (x, block, scale, zero point, dtype, least, greatest)
        scale, zero, bounds = args[2], args[3], args[5:7]
    elif "per_channel" in name:  # (x, scales, zero points, axis, least, greatest, dtype)
        scale, zero, bounds = args[1], args[2], args[4:6]
    else:  # (x, scale, zero point, least, greatest, dtype)
        scale, zero, bounds = args[1], args[2], args[3:5]
    return scale, zero, (int(str(bounds[0])), int(str(bounds[1])))


def _axis(node: FxNode) -> int | None:
    if "per_channel" in str(node.target):
        return int(str(node.args[3]))
    return 0 if "affine" in str(node.target) else None


def _numbers(value: object, constants: Constants) -> tuple[float, ...]:
    if isinstance(value, int | float):
        return (value,)
    tensor = constants.tensor_of(value)
    return () if tensor is None else tuple(tensor.flatten().tolist())


def _range(
    scales: Sequence[float], zeros: Sequence[int], bounds: tuple[int, int]
) -> tuple[float | None, float | None]:
    """The real values of the least and the greatest code, over all channels."""
    if not scales:
        return None, None
    pairs = list(zip(scales, zeros, strict=True))
    return (
        min(scale * (bounds[0] - zero) for scale, zero in pairs),
        max(scale * (bounds[1] - zero) for scale, zero in pairs),
    )


def _describe_value(value: object) -> tuple[str, tuple[int, ...]]:
    if not isinstance(value, torch.Tensor):
        return "", ()
    return str(value.dtype).removeprefix("torch."), tuple(map(int, value.shape))


def _shorten(name: str) -> str:
    return name.removeprefix("aten_").replace("_default", "")
