"""What the calibration set shows of each activation: how soon its range settles, what held-out data do to it.

Watches the observers of a prepared module while samples go through it, in memory that does not grow with the
set. Every sample counts for the ranges; the last fifth is also looked at as if it did not: against the ranges
that the observers would have given just before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import ObserverBase

from edgeq.artifact import Array, Coverage, TensorRange
from edgeq.compile.calibration.classes import ClassCount, cover_classes, doubt_classes
from edgeq.compile.calibration.doubts import HOLD_OUT, REMEMBERED, Inquiry
from edgeq.compile.quantization.observers import EPSILON, kind_of
from edgeq.compile.quantization.overrides import paths_of
from edgeq.results.records import RunWarning

# A range has settled when it has this share of its final extent. Extremes creep on for ever.
SETTLED = 0.9

# Held-out values that widen a range by more than this are new to it, and no more of them than this may clip.
NEW_EXTREMES = 0.1
MOST_CLIPPED = 0.01

_NAMED = 4


@dataclass
class _Tensor:
    """One observer's tensor; extremes always include 0, as the ranges do."""

    module: str
    operator: str
    observer: ObserverBase
    low: float = 0.0
    high: float = 0.0
    extents: list[float] = field(default_factory=list)
    before: tuple[float, float] = (0.0, 0.0)
    limits: tuple[float, float] = (0.0, 0.0)
    held_low: float = 0.0
    held_high: float = 0.0
    outside: int = 0
    total: int = 0


class Watch:
    """Sees every tensor that an activation's observer of `prepared` sees, over `count` samples."""

    def __init__(self, prepared: GraphModule, count: int) -> None:
        self.held_out = count // HOLD_OUT
        self.checkpoints = tuple(_checkpoints(count))
        self.ranges: tuple[TensorRange, ...] = ()
        self.classes = ClassCount()
        self._first_held_out = count - self.held_out
        self._done = 0
        self._tensors = _observed(prepared)
        self._hooks = [each.observer.register_forward_pre_hook(self._hook(each)) for each in self._tensors]

    @property
    def growth(self) -> tuple[float, ...]:
        """At each checkpoint, the least share of its final extent that any range had."""
        shares = [_shares(tensor) for tensor in self._tensors]
        return tuple(min(column) for column in zip(*shares, strict=True))

    @property
    def enough(self) -> int:
        """The first checkpoint from which every range had settled."""
        return max((tensor.settled for tensor in self.ranges), default=0)

    def end_sample(self, outputs: Sequence[Array]) -> None:
        """Count a sample that has gone through, and gave these flat outputs."""
        self.classes.add(outputs)
        self._done += 1
        if self._done in self.checkpoints:
            for tensor in self._tensors:
                tensor.extents.append(tensor.high - tensor.low)
        if self.held_out and self._done == self._first_held_out:
            for tensor in self._tensors:
                tensor.before = (tensor.low, tensor.high)
                tensor.limits = _limits(*_parameters(tensor.observer))

    def finish(self) -> None:
        """Take the results, and let go of the module."""
        for hook in self._hooks:
            hook.remove()
        self.ranges = tuple(self._describe(tensor) for tensor in self._tensors)

    def _hook(self, tensor: _Tensor) -> Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], None]:
        def see(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            values = inputs[0]
            if not torch.isfinite(values).all():
                # Masks hold infinities; the observers pass over them, too.
                values = values[torch.isfinite(values)]
            if values.numel() == 0:
                return
            low, high = (float(extreme) for extreme in torch.aminmax(values))
            tensor.low, tensor.high = min(tensor.low, low), max(tensor.high, high)
            if self._done >= self._first_held_out:
                tensor.held_low, tensor.held_high = min(tensor.held_low, low), max(tensor.held_high, high)
                tensor.total += values.numel()
                if low < tensor.limits[0] or high > tensor.limits[1]:
                    beyond = (values < tensor.limits[0]) | (values > tensor.limits[1])
                    tensor.outside += int(beyond.sum())

        return see

    def _describe(self, tensor: _Tensor) -> TensorRange:
        scale, zero_point = _parameters(tensor.observer)
        settled = next(
            count for count, share in zip(self.checkpoints, _shares(tensor), strict=True) if share >= SETTLED
        )
        saturation, unused, beyond = _held_out(tensor) if tensor.total else (None, None, None)
        return TensorRange(
            module=tensor.module,
            operator=tensor.operator,
            observer=kind_of(tensor.observer),
            low=tensor.low,
            high=tensor.high,
            scale=scale,
            zero_point=zero_point,
            settled=settled,
            saturation=saturation,
            unused=unused,
            beyond=beyond,
        )


def describe_coverage(watch: Watch, inquiry: Inquiry, evaluated: ClassCount) -> Coverage:
    """What a watch and an inquiry into the same set have found, beside the classes of the evaluation."""
    return Coverage(
        held_out=watch.held_out,
        enough=watch.enough,
        checkpoints=watch.checkpoints,
        growth=watch.growth,
        duplicates=inquiry.duplicates,
        compared=min(inquiry.samples, REMEMBERED),
        inputs=inquiry.inputs(),
        ranges=watch.ranges,
        classes=cover_classes(watch.classes, evaluated),
    )


def doubt_coverage(coverage: Coverage) -> tuple[RunWarning, ...]:
    """What held-out data show to be wrong with the ranges, and the evaluation with the choice of samples."""
    warnings = list(doubt_classes(coverage.classes))
    wider = [each for each in coverage.ranges if (each.beyond or 0) > NEW_EXTREMES]
    if wider:
        named = _named([(each.beyond or 0, each) for each in wider])
        warnings.append(
            RunWarning(
                code="calibration-growing",
                message=f"the last {coverage.held_out} calibration samples still widen {len(wider)} of "
                f"{len(coverage.ranges)} ranges by more than {NEW_EXTREMES:.0%}: {named}; give more samples, "
                "in no order",
                facts={"ranges": len(wider), "widest": max(each.beyond or 0 for each in wider)},
            )
        )
    clipped = [each for each in coverage.ranges if (each.saturation or 0) > MOST_CLIPPED]
    if clipped:
        named = _named([(each.saturation or 0, each) for each in clipped])
        warnings.append(
            RunWarning(
                code="calibration-saturation",
                message=f"more than {MOST_CLIPPED:.0%} of held-out values are clipped in {len(clipped)} of "
                f"{len(coverage.ranges)} tensors: {named}; give more samples, or another observer",
                facts={"ranges": len(clipped), "most": max(each.saturation or 0 for each in clipped)},
            )
        )
    return (*warnings, *_doubt_floor(coverage))


def _doubt_floor(coverage: Coverage) -> list[RunWarning]:
    """Ranges that are narrower than what 256 codes of the least scale hold; those of zeros lose nothing."""
    floored = [each for each in coverage.ranges if each.scale <= EPSILON and each.high > each.low]
    if not floored:
        return []
    named = _named([((each.high - each.low) / (255 * EPSILON), each) for each in floored])
    return [
        RunWarning(
            code="calibration-floor",
            message=f"{len(floored)} of {len(coverage.ranges)} tensors are too small for INT8 to hold well, "
            f"and use a share of its codes only: {named}; the least scale is {EPSILON:.2g}, so have the "
            "model compute with larger values there, or leave the layer in fp32",
            facts={"ranges": len(floored)},
        )
    ]


def _named(found: list[tuple[float, TensorRange]]) -> str:
    """The worst of them, with their figures."""
    worst = sorted(found, key=lambda each: each[0], reverse=True)[:_NAMED]
    rest = ", ..." if len(found) > _NAMED else ""
    return ", ".join(f"{tensor.module} ({share:.1%})" for share, tensor in worst) + rest


def _observed(prepared: GraphModule) -> list[_Tensor]:
    """The tensors that activations' observers see, in order of execution, each observer once."""
    tensors: dict[int, _Tensor] = {}
    for node in prepared.graph.nodes:
        observer = prepared.get_submodule(node.target) if node.op == "call_module" else None
        source = node.args[0] if node.args else None
        if not isinstance(observer, ObserverBase) or not isinstance(source, Node) or source.op == "get_attr":
            continue
        # Activations are affine; what is symmetric is a weight that is computed at each inference.
        if observer.qscheme != torch.per_tensor_affine:
            continue
        tensors.setdefault(id(observer), _Tensor(*name_tensor(source), observer))
    return list(tensors.values())


def name_tensor(source: Node) -> tuple[str, str]:
    """The user's module that gives a tensor, and the operator; `input NAME` and nothing for an input."""
    if source.op == "placeholder":
        return f"input {source.target}", ""
    operator = str(source.target).removeprefix("aten.").partition(".")[0]
    paths = paths_of(source)
    return (paths[-1] if paths else operator), operator


def _checkpoints(count: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... and `count`: two for each doubling."""
    steps = {size for power in range(max(count, 1).bit_length()) for size in (2**power, 3 * 2**power // 2)}
    return sorted({size for size in steps if 0 < size < count} | {count})


def _shares(tensor: _Tensor) -> list[float]:
    """What share of its final extent a tensor had at each checkpoint."""
    final = tensor.high - tensor.low
    return [extent / final if final else 1.0 for extent in tensor.extents]


def _parameters(observer: ObserverBase) -> tuple[float, int]:
    scale, zero_point = observer.calculate_qparams()
    return float(scale), int(zero_point)


def _limits(scale: float, zero_point: int) -> tuple[float, float]:
    """The values beyond which quantizing clips: half a step beyond the outermost codes."""
    return scale * (-128 - zero_point - 0.5), scale * (127 - zero_point + 0.5)


def _held_out(tensor: _Tensor) -> tuple[float, float, float]:
    low, high = tensor.limits
    reached = min(tensor.held_high, high) - max(tensor.held_low, low)
    width = tensor.before[1] - tensor.before[0]
    past = max(tensor.before[0] - tensor.held_low, tensor.held_high - tensor.before[1], 0.0)
    # What nothing had filled before is exceeded by all of itself.
    beyond = past / width if width else float(past > 0)
    return tensor.outside / tensor.total, max(0.0, 1 - reached / (high - low)), beyond
