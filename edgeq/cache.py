"""Folders that are made once for given content: content-addressed, verified by hash, safe for two processes.

A finished entry is a folder with a file `.hashes.json` that names every file in it; it appears under its
final name only when complete, and is made again when a file of it was changed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_HASHES = ".hashes.json"


def cache_root() -> Path:
    """Where edgeq keeps what can be made again: `EDGEQ_CACHE`, else `edgeq` in the user's cache folder."""
    if own := os.environ.get("EDGEQ_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "edgeq"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(facts: Mapping[str, object]) -> str:
    """A cache key: SHA-256 of `facts` (JSON values) in a canonical form."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def cached(kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """Return the folder of `kind` and `key`; `make(folder)` fills it when it is not there or damaged.

    Another process that wants the same entry waits for the first one.

    Returns:
        the folder (treat it as read-only), and whether it was there already.
    """
    root = cache_root() / kind
    root.mkdir(parents=True, exist_ok=True)
    entry = root / key
    with _locked(root / f".{key}.lock"):
        if entry.is_dir():
            if _is_intact(entry):
                return entry, True
            shutil.rmtree(entry)
        with staging(entry) as folder:
            make(folder)
            _write_hashes(folder)
    return entry, False


def drop(kind: str, key: str) -> None:
    """Remove an entry, if it is there."""
    shutil.rmtree(cache_root() / kind / key, ignore_errors=True)


@contextlib.contextmanager
def staging(final: Path) -> Iterator[Path]:
    """A new folder beside `final` that is renamed to it on success, and removed on failure.

    Raises:
        FileExistsError: `final` appeared meanwhile and is not an empty folder.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{final.name[:40]}.", dir=final.parent))
    try:
        folder.chmod(0o755)
        yield folder
        folder.replace(final)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def write_atomic(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write `data` beside `path`, then rename: readers see the old file or the whole new one.

    `mode` is as `chmod` takes it; None for what the umask leaves.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        beside.chmod(0o666 & ~umask if mode is None else mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _files(folder: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != _HASHES
    }


def _write_hashes(folder: Path) -> None:
    hashes = {name: file_sha256(path) for name, path in _files(folder).items()}
    (folder / _HASHES).write_text(json.dumps(hashes, indent=1))


def _is_intact(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / _HASHES).read_text())
    except (OSError, ValueError):
        return False
    files = _files(folder)
    return files.keys() == hashes.keys() and all(file_sha256(files[name]) == hashes[name] for name in files)
