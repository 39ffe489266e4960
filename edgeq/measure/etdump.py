"""Reads an ETDump, ExecuTorch's FlatBuffer of profiling events, without torch.

Field numbers are those of `etdump_schema_flatcc.fbs` (identifier `ED00`) that the executorch wheel carries.
The file comes from a device, so every offset is checked before it is followed.
"""

from edgeq.errors import MeasurementError
from edgeq.flatbuffer import DAMAGED, INT32, UINT64, Table, child, children, root_of, scalar, text
from edgeq.results.records import Record

_IDENTIFIER = b"ED00"


class Event(Record, frozen=True, kw_only=True):
    """One profiling event: an operator, a kernel inside a delegate, or a phase of the runtime.

    Attributes:
        name: the runtime's name (`OPERATOR_CALL`, `native_call_mean.out`, ...), None for a delegate's event.
        kernel: the delegate's name of the kernel, None outside a delegate.
        instruction: index of the runtime instruction, -1 outside of one.
        ticks: length in ticks of the device's clock (nanoseconds, or instructions).
    """

    name: str | None
    kernel: str | None
    instruction: int
    ticks: int


def read_etdump(data: bytes) -> list[list[Event]]:
    """The events of each block (a load or one inference), in the order in which they were taken.

    Raises:
        MeasurementError: not an ETDump, or damaged.
    """
    if data[8:12] == _IDENTIFIER:  # written size-prefixed
        data = data[4:]
    if data[4:8] != _IDENTIFIER:
        raise MeasurementError("the runner's ETDump is not one: its identifier is missing")
    try:
        return [
            [_event(profile) for event in children(block, 3) if (profile := child(event, 0)) is not None]
            for block in children(root_of(data), 1)
        ]
    except DAMAGED as error:
        raise MeasurementError(f"the runner's ETDump is damaged: {error}") from error


def _event(table: Table) -> Event:
    start, end = (scalar(table, field, UINT64, 0) for field in (6, 7))
    return Event(
        name=text(table, 0),
        kernel=text(table, 4),
        instruction=scalar(table, 2, INT32, -1),
        ticks=max(0, end - start),
    )
