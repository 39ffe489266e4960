"""Operators: what each kernel cost in a traced inference, from the ETDump of a pass of its own."""

import re
import statistics
from collections.abc import Sequence

from msgspec.structs import replace

from edgeq.errors import MeasurementError
from edgeq.graph import ProgramGraph
from edgeq.measure.alignment import Place, assign_nodes
from edgeq.measure.etdump import Event
from edgeq.results.records import Operator, Unit

# XNNPACK names its kernels `Convolution (NHWC, QC8) IGEMM #1`: operator, layout and types, variant, number.
_KERNEL = re.compile(r"^(?P<name>[^(]+?) \((?P<types>[^)]*)\)")
_PRECISION = {
    "F32": "fp32",
    "F16": "fp16",
    "QC8": "int8",
    "QS8": "int8",
    "QU8": "int8",
    "QD8": "int8 (dynamic)",
    "QP8": "int8 (dynamic)",
    "X8": "move",
    "X16": "move",
    "X32": "move",
}
_EXECUTE, _DELEGATE, _CALL, _NATIVE = "Method::execute", "DELEGATE_CALL", "OPERATOR_CALL", "native_call_"


def operator_table(
    blocks: Sequence[Sequence[Event]], inferences: int, factor: float, unit: Unit, graph: ProgramGraph | None
) -> tuple[Operator, ...]:
    """The kernels of one inference in order of execution; a `total` is the mean over `inferences`.

    XNNPACK reports whole microseconds (thousands of instructions); the mean averages the rounding out.

    What the runtime spends around its kernels is listed too, so that the totals add up to a whole inference.

    Args:
        blocks: events of each block of the ETDump.
        inferences: number of traced inferences to use, taken from the end (the ones before are warm-up).
        factor: `unit` for each tick.
        unit: `insn` or `s`.
        graph: of the program, for module and shape of each kernel; None when the artifact has none.

    Raises:
        MeasurementError: too few inferences in the dump, or inferences of different shape.
    """
    executed = [block for block in blocks if any(event.name == _EXECUTE for event in block)][-inferences:]
    if len(executed) < inferences or not executed:
        raise MeasurementError(f"the ETDump holds {len(executed)} inferences, {inferences} were asked for")
    shape = [(event.name, event.kernel, event.instruction) for event in executed[0]]
    for block in executed[1:]:
        if [(event.name, event.kernel, event.instruction) for event in block] != shape:
            raise MeasurementError("the traced inferences ran different operators")
    typical = [statistics.fmean(block[i].ticks for block in executed) for i in range(len(shape))]
    places = assign_nodes(executed[0], graph)
    rows = [
        _attach(row, place)
        for event, ticks, place in zip(executed[0], typical, places, strict=True)
        if (row := _row(event, ticks * factor, unit)) is not None
    ]
    return (*rows, *_overhead(executed[0], typical, factor, unit))


def _row(event: Event, total: float, unit: Unit) -> Operator | None:
    if event.kernel is not None:
        match = _KERNEL.match(event.kernel)
        name = match["name"] if match else event.kernel
        types = [part.strip() for part in match["types"].split(",")] if match else []
        precision = next((_PRECISION[part] for part in types if part in _PRECISION), "unknown")
        return _operator(name, event.kernel, total, unit, delegated=True, precision=precision)
    if event.name and event.name.startswith(_NATIVE):
        kernel = event.name.removeprefix(_NATIVE)
        return _operator(kernel, f"portable {kernel}", total, unit, delegated=False, precision="unknown")
    return None


def _operator(
    name: str, kernel: str, total: float, unit: Unit, *, delegated: bool, precision: str
) -> Operator:
    return Operator(
        name=name,
        kernel=kernel,
        module=None,
        delegated=delegated,
        precision=precision,
        count=1,
        total=total,
        unit=unit,
    )


def _attach(row: Operator, place: Place) -> Operator:
    if place.node is None:
        return replace(row, unassigned=place.unknown)
    precision = row.precision
    if not row.delegated and precision == "unknown" and place.node.dtype == "float32":
        precision = "fp32"
    return replace(row, module=place.node.module, shape=place.node.shape, precision=precision)


def _overhead(
    events: Sequence[Event], typical: Sequence[float], factor: float, unit: Unit
) -> tuple[Operator, ...]:
    """What the delegates spend outside their kernels, and the runtime outside operators and delegates."""
    ticks = list(zip(events, typical, strict=True))
    kernels = sum(tick for event, tick in ticks if event.kernel is not None)
    delegates = sum(tick for event, tick in ticks if event.name == _DELEGATE)
    calls = sum(tick for event, tick in ticks if event.name == _CALL)
    natives = sum(tick for event, tick in ticks if event.name and event.name.startswith(_NATIVE))
    execute = sum(tick for event, tick in ticks if event.name == _EXECUTE)
    inside = max(0.0, delegates - kernels) * factor
    around = max(0.0, execute - delegates - max(calls, natives)) * factor
    dispatch = max(0.0, calls - natives) * factor
    rows = (("delegate, outside kernels", inside, True), ("runtime", around + dispatch, False))
    return tuple(
        _operator(name, name, total, unit, delegated=delegated, precision="none")
        for name, total, delegated in rows
        if total > 0
    )
