"""Reads FlatBuffers by the numbers of their fields, without generated code.

The bytes may come from a device or a damaged file: what reaches past their end raises one of `DAMAGED`.
"""

import struct
from typing import Any

import flatbuffers.table
from flatbuffers import encode, number_types

DAMAGED = (struct.error, IndexError, UnicodeDecodeError, TypeError, ValueError)

# A table of a FlatBuffer. The library has no types.
Table = Any

UINT8 = number_types.Uint8Flags
INT32 = number_types.Int32Flags
UINT32 = number_types.Uint32Flags
UINT64 = number_types.Uint64Flags


def root_of(data: bytes) -> Table:
    """The root table of a FlatBuffer."""
    start = encode.Get(number_types.UOffsetTFlags.packer_type, data, 0)
    return flatbuffers.table.Table(bytearray(data), start)


def scalar(table: Table, field: int, flags: Any, default: int) -> int:  # noqa: ANN401
    """An integer of the width that `flags` says."""
    slot = _slot(table, field)
    return int(table.Get(flags, slot)) if slot else default


def text(table: Table, field: int) -> str | None:
    """A string, None when absent."""
    slot = _slot(table, field)
    return bytes(table.String(slot)).decode() if slot else None


def child(table: Table, field: int) -> Table | None:
    """A table inside of `table`, None when absent."""
    slot = _slot(table, field)
    return flatbuffers.table.Table(table.Bytes, table.Indirect(slot)) if slot else None


def children(table: Table, field: int) -> list[Table]:
    """The tables of a vector; none when absent."""
    slot = int(table.Offset(4 + 2 * field))
    if not slot:
        return []
    start, length = int(table.Vector(slot)), int(table.VectorLen(slot))
    if start + 4 * length > len(table.Bytes):
        raise ValueError("a vector reaches past the end")
    return [flatbuffers.table.Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(length)]


def _slot(table: Table, field: int) -> int:
    """Position of a field in the buffer, 0 when absent; a vtable starts with two 16-bit sizes."""
    offset = int(table.Offset(4 + 2 * field))
    return offset + int(table.Pos) if offset else 0
