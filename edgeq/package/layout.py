"""Whether a zip holds its entries and nothing else, from its first byte to its last.

Some readers go by the directory at the end of a zip, and others, such as Java's ZipInputStream, by the header
in front of each entry: only a zip without gaps, whose headers agree, is the same to all of them. The layouts
are those of PKWARE's APPNOTE.TXT, 4.3.
"""

import os
import struct
import zipfile
from typing import BinaryIO

# Signature, version, flags, method, (time, date), CRC, stored and real size, lengths of name and extra.
_LOCAL = struct.Struct("<4s3H4x3L2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
# Signature, two disks, entries twice, size and start of the directory, length of the comment.
_END = struct.Struct("<4s4H2LH")
# The same with 64 bits, and what says where it starts.
_WIDE_END, _WIDE_LOCATOR = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_IN_EXTRA = 0xFFFFFFFF

# Ids of extra fields: sizes of 64 bits, and the padding that Android's zipalign and apksig write.
WIDE_SIZES, PADDING = 0x0001, 0xD935


def find_surplus(file: BinaryIO, archive: zipfile.ZipFile) -> str:
    """What the zip in `file`, opened as `archive`, has besides its entries, as a predicate; empty if nothing.

    A header that says other things than the directory is such a thing.
    """
    position = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset != position:
            return f"has something in front of entry {info.filename!r}"
        length = _header_length(file, info)
        if length is None:
            return f"has an entry {info.filename!r} that its directory tells otherwise"
        position += length + info.compress_size
    if position != archive.start_dir:
        return "has something in front of its directory"
    size = file.seek(0, os.SEEK_END)
    file.seek(position)
    return (
        "" if _is_tail(file.read(), position, size, len(archive.infolist())) else "has another end than a zip"
    )


def _header_length(file: BinaryIO, info: zipfile.ZipInfo) -> int | None:
    """Bytes in front of the content of `info`; None when they do not agree with `info`."""
    file.seek(info.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        return None
    signature, _, flags, method, crc, stored, real, name_length, extra_length = _LOCAL.unpack(head)
    name, extra = file.read(name_length), _read_extra(file.read(extra_length))
    if extra is None or not extra.keys() <= {WIDE_SIZES, PADDING}:
        return None
    if WIDE_SIZES in extra:
        if (stored, real) != (_IN_EXTRA, _IN_EXTRA) or len(extra[WIDE_SIZES]) != 16:
            return None
        real, stored = struct.unpack("<2Q", extra[WIDE_SIZES])
    told = (signature, name, flags, method, crc, stored, real)
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    known = (
        _LOCAL_SIGNATURE,
        info.orig_filename.encode(encoding),
        info.flag_bits,
        info.compress_type,
        info.CRC,
        info.compress_size,
        info.file_size,
    )
    return _LOCAL.size + name_length + extra_length if told == known else None


def _read_extra(data: bytes) -> dict[int, bytes] | None:
    """Extra fields by id; None when one is cut or there twice."""
    fields: dict[int, bytes] = {}
    while data:
        if len(data) < 4:
            return None
        kind, length = struct.unpack_from("<2H", data)
        if kind in fields or len(data) < 4 + length:
            return None
        fields[kind], data = data[4 : 4 + length], data[4 + length :]
    return fields


def _is_tail(data: bytes, start: int, size: int, count: int) -> bool:
    """Whether `data`, all from the directory on, ends as a zip without comment does.

    That it starts with `count` entries of a directory and ends with an end was seen by `zipfile`.
    """
    end = size - _END.size
    wide = data[end - _WIDE_LOCATOR.size - start :].startswith(_LOCATOR_SIGNATURE)
    if wide:
        end -= _WIDE_LOCATOR.size + _WIDE_END.size
    length = end - start
    tail = _END.pack(b"PK\x05\x06", 0, 0, count, count, length, min(start, _IN_EXTRA), 0)
    if wide:
        told = _WIDE_END.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
        tail = told + _WIDE_LOCATOR.pack(_LOCATOR_SIGNATURE, 0, end, 1) + tail
    return data.endswith(tail) and length > 0
