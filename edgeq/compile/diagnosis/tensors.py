"""What is seen of single tensors while a diagnosis runs: running sums and counts, never the values."""

from typing import Any

import torch
from torch.fx import Node

from edgeq.compile.calibration.coverage import name_tensor
from edgeq.compile.diagnosis.histogram import RunningHistogram
from edgeq.compile.diagnosis.simulate import Rounding
from edgeq.compile.quantization.observers import kind_of
from edgeq.results.diagnosis.spread import ActivationSpread, WeightSpread, find_outliers

_aten = torch.ops.aten

# Share of the values that the bulk leaves away, half of it at either end.
_TAILS = 0.001
_CODES = 256
# Unless there are so many values for each code, that some have none says nothing.
_VALUES_A_CODE = 10
# Their channels are in the second dimension; those of everything else in the last.
_CHANNELS_FIRST = ("conv", "batch_norm", "_native_batch_norm", "max_pool", "avg_pool", "adaptive_avg_pool")


class ActivationTally:
    """Counts the values of one activation, against the range that INT8 has for it."""

    def __init__(
        self, source: Node, rounding: torch.nn.Module, observer: object, selectors: dict[str, str]
    ) -> None:
        self._selectors = selectors
        self._module, self._operator = name_tensor(source)
        self._axis = _channel_axis(source)
        self._rounding = rounding if isinstance(rounding, Rounding) else None
        self._observer = kind_of(observer) if self._rounding else "dynamic"
        self._histogram = RunningHistogram()
        self._codes = torch.zeros(_CODES, dtype=torch.int64)
        self._low = self._high = 0.0
        self._clipped = self._total = 0
        self._largest: torch.Tensor | None = None

    def add(self, values: torch.Tensor) -> None:
        """Count the values of one sample; masks hold infinities, which observers pass over, too."""
        finite = torch.where(torch.isfinite(values), values, torch.zeros_like(values))
        self._histogram.add(finite)
        low, high = (float(extreme) for extreme in torch.aminmax(finite))
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._total += finite.numel()
        largest = _largest_of(finite, self._axis) if finite.dim() > 1 else finite.abs()
        if self._largest is None:
            self._largest = largest
        elif largest.shape == self._largest.shape:
            # Of tensors that share a scale, as one and its flattened form, the first one's channels count.
            self._largest = torch.maximum(self._largest, largest)
        if self._rounding is not None:
            codes = self._rounding.codes(finite)
            least, most = self._rounding.limits()
            self._clipped += int(((finite < least) | (finite > most)).sum())
            self._codes += torch.bincount(codes.flatten().long() + 128, minlength=_CODES)

    def result(self) -> ActivationSpread:
        """What was seen."""
        static = self._rounding
        largest = [] if self._largest is None else self._largest.tolist()
        return ActivationSpread(
            module=self._module,
            operator=self._operator,
            selectors=self._selectors,
            observer=self._observer,
            low=self._low,
            high=self._high,
            scale=None if static is None else static.scale,
            zero_point=None if static is None else static.zero_point,
            clipped=None if static is None else self._clipped / max(self._total, 1),
            unused=None if static is None else _unused(self._codes),
            bulk=None if static is None else self._bulk(),
            channels=len(largest),
            outliers=find_outliers(largest),
            histogram=self._histogram.result(),
        )

    def _bulk(self) -> float:
        cumulated = torch.cumsum(self._codes.double(), 0)
        ends = torch.tensor([_TAILS / 2, 1 - _TAILS / 2], dtype=torch.float64) * cumulated[-1]
        first, last = torch.searchsorted(cumulated, ends).clamp(max=_CODES - 1).tolist()
        return float(last - first + 1) / _CODES


def describe_weight(
    module: str, kind: str, layer: Node, weight: torch.Tensor, rounding: Rounding
) -> WeightSpread:
    """The spread of a layer's weight, of which `rounding` has the scales; batch norm is folded into it."""
    histogram = RunningHistogram()
    histogram.add(weight)
    output_axis = rounding.axis if rounding.is_per_channel else int(_is_transposed(layer))
    input_axis = 0 if output_axis else 1
    depthwise = weight.dim() > 2 and weight.shape[input_axis] == 1 and weight.shape[output_axis] > 1
    codes = torch.bincount(rounding.codes(weight).flatten().long() + 128, minlength=_CODES)
    inputs = find_outliers(_largest_of(weight, input_axis).tolist())
    return WeightSpread(
        module=module,
        kind=kind,
        per_channel=rounding.is_per_channel,
        is_depthwise=depthwise,
        low=float(weight.min()),
        high=float(weight.max()),
        unused=_unused(codes[1:]),
        outputs=weight.shape[output_axis],
        inputs=weight.shape[input_axis],
        output_outliers=find_outliers(_largest_of(weight, output_axis).tolist()),
        input_outliers=inputs,
        histogram=histogram.result(),
    )


def _unused(codes: torch.Tensor) -> float | None:
    """The share of the codes that no value has."""
    if int(codes.sum()) < _VALUES_A_CODE * len(codes):
        return None
    return float((codes == 0).sum()) / len(codes)


def _is_transposed(layer: Node) -> bool:
    return "conv_transpose" in str(layer.target)


def _largest_of(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Largest magnitude of each slice along `axis`, of shape (slices,)."""
    axis %= values.dim()
    others = [other for other in range(values.dim()) if other != axis]
    return values.abs().amax(others) if others else values.abs()


def _channel_axis(source: Node) -> int:
    """The axis of the channels, by the operator that the tensor comes from past all that keeps its shape."""
    node: Any = source
    while isinstance(node, Node) and node.op == "call_function":
        if str(node.target).removeprefix("aten.").startswith(_CHANNELS_FIRST):
            return 1
        if len(node.all_input_nodes) != 1:
            break
        node = node.all_input_nodes[0]
    value = source.meta.get("val")
    return 1 if isinstance(value, torch.Tensor) and value.dim() == 4 else -1
