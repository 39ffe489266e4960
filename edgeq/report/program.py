"""A program as tables: its tensors, the scales of its channels, its memory plan."""

from collections.abc import Sequence
from itertools import pairwise

from edgeq.errors import InputError
from edgeq.graph import Planned, ProgramGraph, Tensor
from edgeq.report.section import Row, Section
from edgeq.units import format_quantity

_TIMELINE = 60  # characters of a timeline at most
_NEAR = 8


def tensor_section(graph: ProgramGraph) -> Section:
    """Every tensor with its dtype, shape, scale, zero point and range, activations first."""
    rows = tuple(
        (
            tensor.name,
            tensor.module,
            tensor.dtype,
            "x".join(map(str, tensor.shape)) or "scalar",
            _scale(tensor),
            _zero(tensor),
            _range(tensor),
        )
        for tensor in graph.tensors
    )
    sentence = (
        "real = scale * (q - zero point). The range is that of the codes; of weights in FP32 it is that of "
        "their values."
    )
    header = ("tensor", "module", "dtype", "shape", "scale", "zero point", "range")
    return Section("Tensors", (sentence,), header, rows)


def channel_section(graph: ProgramGraph, module: str) -> Section:
    """The scale of each channel, or group, of the weights of `module`.

    Raises:
        InputError: no weights of a module of that name have several scales.
    """
    weights = [tensor for tensor in graph.tensors if tensor.role == "weight" and len(tensor.scales) > 1]
    found = [tensor for tensor in weights if tensor.module == module]
    if not found:
        names = list(dict.fromkeys(tensor.module for tensor in weights))
        shown = ", ".join(names[:_NEAR]) + (f" and {len(names) - _NEAR} more" if len(names) > _NEAR else "")
        raise InputError(
            f"no weights of a module {module!r} have a scale for each channel",
            hint=f"there are: {shown}" if names else "the program has no such weights",
        )
    rows = tuple(
        (tensor.name, str(place), f"{scale:.6g}", str(zero), f"{_reach(tensor) * scale:.4g}")
        for tensor in found
        for place, (scale, zero) in enumerate(zip(tensor.scales, tensor.zero_points, strict=True))
    )
    what = "group" if found[0].group else "channel"
    sentence = (
        f"A scale for each group of {found[0].group} weights along the last axis."
        if found[0].group
        else f"A scale for each index of axis {found[0].axis}."
    )
    header = ("tensor", what, "scale", "zero point", "largest")
    return Section(f"Scales of {module}", (sentence,), header, rows)


def memory_sections(graph: ProgramGraph) -> list[Section]:
    """Arenas, what is alive at the peak, and the lifetime of each planned tensor."""
    plan = graph.memory
    sections = []
    for arena, size in enumerate(plan.arenas):
        tensors = [tensor for tensor in plan.tensors if tensor.arena == arena]
        peak, alive = find_peak(tensors)
        sentences = [f"Arena {arena}: {format_quantity(size, 'B')} planned for {len(tensors)} tensors."]
        if alive:
            most = format_quantity(sum(tensor.bytes for tensor in alive), "B")
            names = ", ".join(tensor.name for tensor in alive)
            sentences.append(f"Most is alive at step {peak} ({plan.steps[peak]}): {most} in {names}.")
        sentences.append("What a delegate needs inside is not planned ahead: it is part of the heap.")
        sections.append(Section("Memory plan", tuple(sentences), *_lifetimes(tensors)))
    return sections


def find_peak(tensors: Sequence[Planned]) -> tuple[int, list[Planned]]:
    """The first step at which the most bytes are alive, and the tensors that are."""
    best, alive = 0, list[Planned]()
    for step in sorted({tensor.first for tensor in tensors}):
        now = [tensor for tensor in tensors if tensor.first <= step <= tensor.last]
        if sum(tensor.bytes for tensor in now) > sum(tensor.bytes for tensor in alive):
            best, alive = step, now
    return best, alive


def _lifetimes(tensors: Sequence[Planned]) -> tuple[Row, tuple[Row, ...]]:
    first = min((tensor.first for tensor in tensors), default=0)
    last = max((tensor.last for tensor in tensors), default=0)
    steps = last - first + 1
    width = min(steps, _TIMELINE)
    bounds = [first + at * steps // width for at in range(width + 1)]
    rows = tuple(
        (
            tensor.name,
            format_quantity(tensor.bytes, "B"),
            str(tensor.offset),
            f"{tensor.first} to {tensor.last}",
            "".join("#" if _covers(tensor, *ends) else "." for ends in pairwise(bounds)),
        )
        for tensor in tensors
    )
    return ("tensor", "bytes", "offset", "steps", f"step {first} to {last}"), rows


def _covers(tensor: Planned, start: int, end: int) -> bool:
    """Whether it is alive at a step from `start` up to `end`."""
    return tensor.first < end and tensor.last >= start


def _scale(tensor: Tensor) -> str:
    if tensor.dynamic:
        return "at each inference"
    if len(tensor.scales) > 1:
        what = f"groups of {tensor.group}" if tensor.group else "channels"
        return f"{min(tensor.scales):.4g} to {max(tensor.scales):.4g} ({len(tensor.scales)} {what})"
    return f"{tensor.scales[0]:.4g}" if tensor.scales else ""


def _zero(tensor: Tensor) -> str:
    zeros = sorted(set(tensor.zero_points))
    return f"{zeros[0]} to {zeros[-1]}" if len(zeros) > 1 else str(zeros[0]) if zeros else ""


def _range(tensor: Tensor) -> str:
    if tensor.low is None or tensor.high is None:
        return ""
    return f"{tensor.low:.4g} to {tensor.high:.4g}"


def _reach(tensor: Tensor) -> float:
    """The largest code of a weight, from its range and its largest scale."""
    return round((tensor.high or 0.0) / max(tensor.scales)) if tensor.high else 0
