"""Reads an ETDump, ExecuTorch's FlatBuffer of profiling events, without torch.

Field numbers are those of `etdump_schema_flatcc.fbs` (identifier `ED00`) that the executorch wheel carries.
The file comes from a device, so every offset is checked before it is followed.
"""

import struct
from typing import Any

import flatbuffers.table
from flatbuffers import encode, number_types

from edgeq.errors import MeasurementError
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
        root = flatbuffers.table.Table(
            bytearray(data), encode.Get(number_types.UOffsetTFlags.packer_type, data, 0)
        )
        return [
            [_event(profile) for event in _vector(block, 3) if (profile := _child(event, 0)) is not None]
            for block in _vector(root, 1)
        ]
    except (struct.error, IndexError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise MeasurementError(f"the runner's ETDump is damaged: {error}") from error


def _event(table: Any) -> Event:  # noqa: ANN401 - flatbuffers has no types
    start, end = (_scalar(table, field, number_types.Uint64Flags, 0) for field in (6, 7))
    return Event(
        name=_text(table, 0),
        kernel=_text(table, 4),
        instruction=_scalar(table, 2, number_types.Int32Flags, -1),
        ticks=max(0, end - start),
    )


def _slot(table: Any, field: int) -> int:  # noqa: ANN401
    """Position of a field in the buffer, 0 when absent; a vtable starts with two 16-bit sizes."""
    offset = int(table.Offset(4 + 2 * field))
    return offset + int(table.Pos) if offset else 0


def _scalar(table: Any, field: int, flags: Any, default: int) -> int:  # noqa: ANN401
    slot = _slot(table, field)
    return int(table.Get(flags, slot)) if slot else default


def _text(table: Any, field: int) -> str | None:  # noqa: ANN401
    slot = _slot(table, field)
    return bytes(table.String(slot)).decode() if slot else None


def _child(table: Any, field: int) -> Any:  # noqa: ANN401
    slot = _slot(table, field)
    return flatbuffers.table.Table(table.Bytes, table.Indirect(slot)) if slot else None


def _vector(table: Any, field: int) -> list[Any]:  # noqa: ANN401
    slot = int(table.Offset(4 + 2 * field))
    if not slot:
        return []
    start, length = int(table.Vector(slot)), int(table.VectorLen(slot))
    if start + 4 * length > len(table.Bytes):
        raise ValueError("a vector reaches past the end")
    return [flatbuffers.table.Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(length)]
