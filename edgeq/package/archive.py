"""Zip files that are the same to the byte every time, and that are read without trust.

Every entry is stored, not compressed: the bytes do not depend on a zlib, a program can be mapped from where
it lies, and a package that unpacks to more than its size is a fraud that is seen at once.
"""

import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgeq.errors import GateFailed, InputError
from edgeq.package.layout import PADDING, find_surplus

# Largest page of ARM Linux kernels that phones use (Android 15 on); mmap takes offsets of whole pages.
ALIGNMENT = 16384
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER = 30
# The least length of the padding: its id and length, uint16 alignment, then zeros.
_PADDING_LEAST = 6
# Bytes that zipfile puts after the padding for sizes of 64 bits; it does so while they may become too large.
_WIDE_SIZES, _WIDE_FROM = 20, 1.05
_MOST_ENTRIES = 1000
_ENCRYPTED = 0x1


def write_zip(entries: Mapping[str, bytes]) -> bytes:
    """A zip of `entries` (path: content), sorted by path; each `.pte` starts at a multiple of `ALIGNMENT`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, wherever this runs
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            if name.endswith(".pte"):
                wide = _WIDE_SIZES if len(entries[name]) * _WIDE_FROM > zipfile.ZIP64_LIMIT else 0
                info.extra = _padding(stream.tell() + _LOCAL_HEADER + len(name.encode()) + wide)
            archive.writestr(info, entries[name])
            info.extra = b""  # only the local header is to be padded, not the directory at the end
    return stream.getvalue()


def _padding(start: int) -> bytes:
    """An extra field after which the content, else at `start`, is aligned."""
    length = -(start + _PADDING_LEAST) % ALIGNMENT + _PADDING_LEAST
    head = PADDING.to_bytes(2, "little") + (length - 4).to_bytes(2, "little")
    return head + ALIGNMENT.to_bytes(2, "little") + bytes(length - _PADDING_LEAST)


def read_zip(path: Path) -> dict[str, bytes]:
    """The files in a zip that `write_zip` made, or somebody who wants to be taken for it.

    Raises:
        InputError: no zip, damaged, or with an entry that no package has: a link, a folder, a path that
            leads elsewhere, compressed or encrypted content, the same name twice, more bytes than the file.
        GateFailed: the content of an entry is not the one that it was written with, or the file holds
            something besides its entries, which some other reader could take for one.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            _check_entries(path, infos)
            if surplus := find_surplus(file, archive):
                raise GateFailed(f"{path} {surplus}: it was changed since it was packaged")
            return {info.filename: _read_entry(path, archive, info) for info in infos}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise InputError(f"{path} is no whole zip file: {error}") from error


def _read_entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)
    except zipfile.BadZipFile as error:
        raise GateFailed(f"{path}: entry {info.filename!r} was changed since it was packaged") from error


def _check_entries(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > _MOST_ENTRIES or sum(info.file_size for info in infos) > path.stat().st_size:
        raise InputError(f"{path} claims to hold more than it does: not unpacked")
    seen: set[str] = set()
    for info in infos:
        reason = _fault(info)
        if info.filename.casefold() in seen:
            reason = "is there twice"
        if reason:
            raise InputError(f"{path}: entry {info.filename!r} {reason}: not a package of edgeq")
        seen.add(info.filename.casefold())


def _fault(info: zipfile.ZipInfo) -> str:
    # The name as it is in the file; zipfile cuts at a NUL, and takes another name from an extra field.
    name = info.orig_filename
    parts = name.split("/")
    if (
        name != info.filename
        or any(part in ("", ".", "..") for part in parts)
        or not name.isprintable()
        or set(name) & set("\\:")
    ):
        return "has a path that leads elsewhere"
    # Some writers leave the type of a regular file out.
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "is a link or no file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    return "" if info.compress_type == zipfile.ZIP_STORED else "is compressed"
