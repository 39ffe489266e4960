"""A quantized program computed without converting it: every observer gives way to the rounding it stands for.

The rounding is done with the very operators that the converted module has, so that the outputs are the same;
but a weight is rounded once, not at each inference, and no graph is converted, which takes seconds for each
trial of a large network.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import ObserverBase

from edgeq.compile.quantization.layers import constant_of

_ops = torch.ops.quantized_decomposed

# An observer is known by the tensors that share it and by what kind of observer it is.
Ranges = dict[tuple[object, ...], ObserverBase]


class Rounding(torch.nn.Module):
    """Rounds a tensor to INT8 and back, with the scale and zero point that an observer gives."""

    def __init__(self, observer: Any) -> None:  # noqa: ANN401 - torchao's own, untyped
        super().__init__()
        scale, zero_point = observer.calculate_qparams()
        limits = (observer.quant_min, observer.quant_max, observer.dtype)
        self.is_per_channel = observer.qscheme in (torch.per_channel_symmetric, torch.per_channel_affine)
        self._kind = "per_channel" if self.is_per_channel else "per_tensor"
        self._arguments: tuple[Any, ...]
        if self.is_per_channel:
            self._arguments = (scale, zero_point, int(observer.ch_axis), *limits)
        else:
            self._arguments = (float(scale), int(zero_point), *limits)

    @property
    def axis(self) -> int:
        """Of the channels, when each has a scale of its own."""
        return int(self._arguments[2]) if self.is_per_channel else 0

    @property
    def scale(self) -> float:
        """The largest of the scales."""
        return float(torch.as_tensor(self._arguments[0]).max())

    @property
    def zero_point(self) -> int:
        """The code of 0; that of weights is 0."""
        return int(torch.as_tensor(self._arguments[1]).max())

    def codes(self, values: torch.Tensor) -> torch.Tensor:
        """The INT8 codes of `values`."""
        codes: torch.Tensor = getattr(_ops, f"quantize_{self._kind}").default(values, *self._arguments)
        return codes

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The nearest values that INT8 has."""
        codes = self.codes(values)
        rounded: torch.Tensor = getattr(_ops, f"dequantize_{self._kind}").default(codes, *self._arguments)
        return rounded

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The least and the greatest value that is not clipped: half a step beyond the outermost codes."""
        scale, zero_point = (torch.as_tensor(argument) for argument in self._arguments[:2])
        low, high = self._arguments[-3:-1]
        return scale * (low - zero_point - 0.5), scale * (high - zero_point + 0.5)


class _Fixed(torch.nn.Module):
    """A weight, rounded once; what it is asked about is the weight itself."""

    def __init__(self, rounded: torch.Tensor) -> None:
        super().__init__()
        self._rounded = rounded

    def forward(self, _weight: torch.Tensor) -> torch.Tensor:
        return self._rounded


class _Dynamic(torch.nn.Module):
    """Rounds a tensor with the range that it has itself, as a dynamic recipe does at each inference."""

    def __init__(self, observer: Any) -> None:  # noqa: ANN401 - torchao's own, untyped
        super().__init__()
        self._limits = (observer.quant_min, observer.quant_max)
        self._choice = (*self._limits, observer.eps, observer.dtype)
        self._dtype = observer.dtype
        symmetric = observer.qscheme == torch.per_tensor_symmetric
        self._choose = getattr(_ops, "choose_qparams_symmetric" if symmetric else "choose_qparams").tensor

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        parameters = (*self._choose(values, *self._choice), *self._limits, self._dtype)
        codes = _ops.quantize_per_tensor.tensor(values, *parameters)
        rounded: torch.Tensor = _ops.dequantize_per_tensor.tensor(codes, *parameters)
        return rounded


def is_rounding(module: torch.nn.Module) -> bool:
    """Whether `module` stands in place of an activation's observer."""
    return isinstance(module, Rounding | _Dynamic)


def find_observers(prepared: GraphModule) -> Iterator[tuple[Node, Node, Any]]:
    """Each call of an observer: its node, the node that it observes, and the observer."""
    for node in prepared.graph.nodes:
        if node.op != "call_module":
            continue
        observer = prepared.get_submodule(str(node.target))
        if isinstance(observer, ObserverBase):
            source = node.args[0]
            assert isinstance(source, Node)  # noqa: S101 - PT2E observes a node
            yield node, source, observer


def collect_ranges(prepared: GraphModule) -> Ranges:
    """The observers of static ranges in a module that the calibration set has gone through."""
    return {identity: observer for identity, observer in _identify(prepared) if not _is_dynamic(observer)}


def knows_ranges(prepared: GraphModule, ranges: Ranges) -> bool:
    """Whether `ranges` hold all that `prepared` would have to be calibrated for."""
    return collect_ranges(prepared).keys() <= ranges.keys()


def round_in_place(prepared: GraphModule, ranges: Ranges) -> GraphModule:
    """Put roundings in place of the observers of `prepared`; the same module comes back.

    Static ranges of activations come from `ranges`.
    """
    known = {id(observer): ranges.get(identity) for identity, observer in _identify(prepared)}
    made: dict[int, torch.nn.Module] = {}
    for node, source, observer in list(find_observers(prepared)):
        if id(observer) not in made:
            seen = known.get(id(observer)) or observer
            made[id(observer)] = _rounding_for(prepared, source, seen)
        prepared.set_submodule(str(node.target), made[id(observer)])
    return prepared


def _rounding_for(prepared: GraphModule, source: Node, observer: Any) -> torch.nn.Module:  # noqa: ANN401
    if source.op == "get_attr":
        weight = constant_of(prepared, source)
        observer(weight)
        return _Fixed(Rounding(observer)(weight))
    return _Dynamic(observer) if _is_dynamic(observer) else Rounding(observer)


def _is_dynamic(observer: object) -> bool:
    return bool(getattr(observer, "is_dynamic", False))


def _identify(prepared: GraphModule) -> list[tuple[tuple[object, ...], Any]]:
    """What each observer of an activation is known by, and the observer."""
    sources: dict[int, list[str]] = {}
    observers: dict[int, Any] = {}
    for _, source, observer in find_observers(prepared):
        if source.op != "get_attr":
            sources.setdefault(id(observer), []).append(source.name)
            observers[id(observer)] = observer
    settings = ("bins", "percentile", "averaging_constant", "qscheme", "quant_min", "quant_max")
    return [
        ((*sources[key], type(each), *(getattr(each, name, None) for name in settings)), each)
        for key, each in observers.items()
    ]
