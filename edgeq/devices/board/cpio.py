"""Write archives in cpio's "newc" format, which is what the Linux kernel unpacks as its first root folder.

Several archives, one after the other, count as one; a later file replaces an earlier one of the same name.
Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
"""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Entry:
    """One file, folder or symbolic link: `mode` as in `stat`, content as bytes (a link's is its target)."""

    mode: int
    content: bytes = b""


def folder(mode: int = 0o755) -> Entry:
    """A folder."""
    return Entry(stat.S_IFDIR | mode)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def file(content: bytes | str, mode: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(stat.S_IFREG | mode, content.encode() if isinstance(content, str) else content)


def read_entry(path: Path) -> Entry:
    """What lies at `path` of this machine, as an entry; symbolic links stay links."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return link(str(path.readlink()))
    return folder(stat.S_IMODE(mode)) if stat.S_ISDIR(mode) else file(path.read_bytes(), stat.S_IMODE(mode))


def write_archive(out: BinaryIO, entries: Mapping[str, Entry]) -> None:
    """Write one archive, owned by root and with no times, so that equal entries give equal bytes.

    Folders that are parents of an entry and no entry themselves are added. Names have no leading slash.
    """
    complete = {str(parent): folder() for name in entries for parent in _parents(name)} | dict(entries)
    for number, name in enumerate(sorted(complete), start=1):
        _write_entry(out, name, complete[name], number)
    _write_entry(out, "TRAILER!!!", Entry(0), 0)


def _parents(name: str) -> Iterable[Path]:
    return (parent for parent in Path(name).parents if parent != Path())


def _write_entry(out: BinaryIO, name: str, entry: Entry, inode: int) -> None:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # inode, mode, uid, gid, nlink, mtime, size, device and rdevice (major, minor each), name size, check
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(encoded), 0)
    _write_padded(out, b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
    _write_padded(out, entry.content)


def _write_padded(out: BinaryIO, data: bytes) -> None:
    out.write(data)
    out.write(b"\0" * (-len(data) % 4))
