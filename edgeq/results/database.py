"""The file behind the store: one SQLite database, its versions, and what SQLite's refusals mean for people.

The file has a rollback journal, not a write-ahead log: a log needs memory that all processes share (network
file systems have none), leaves two more files that a copy must not forget, and cannot be read from a folder
that is read-only. Writers wait for each other instead, which costs nothing at one run every few seconds.
"""

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeq.errors import StoreError

# "edgq": tells a store from the databases of other programs (PRAGMA application_id).
APPLICATION_ID = 0x65646771

# How long a process waits for another one, and how often it looks. SQLite's own wait looks ever more seldom,
# down to every 100 ms, and one that writes without a pause keeps the others waiting for seconds.
BUSY_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = (0.0005, 0.004)

# MIGRATIONS[n] takes a database of version n to version n + 1; a new file starts at 0. Published steps never
# change: tests/fixtures holds a store of each version. Columns of `runs` other than `number` are derived from
# the document, for queries only.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            created TEXT NOT NULL,
            status TEXT NOT NULL,
            artifact TEXT NOT NULL,
            recipe TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            device TEXT,
            kind TEXT,
            clock TEXT,
            latency REAL,
            unit TEXT
        )""",
        "CREATE INDEX runs_by_subject ON runs (artifact, recipe, device, created)",
        "CREATE INDEX runs_by_time ON runs (created)",
        "CREATE TABLE documents (number INTEGER PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL)",
    ),
    (
        """CREATE TABLE labels (
            number INTEGER NOT NULL,
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (number, key)
        ) WITHOUT ROWID""",
        "CREATE INDEX labels_by_value ON labels (key, value, number)",
    ),
)
VERSION = len(MIGRATIONS)

_MOVE_AWAY = (
    "restore it from a copy, or move it away: edgeq starts a new one, and report.json files can be imported"
)
# What SQLite's primary result codes say about the file, and what to do.
_REFUSALS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_NOTADB: ("is not a store: SQLite cannot read it", _MOVE_AWAY),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _MOVE_AWAY),
    sqlite3.SQLITE_FULL: (
        "cannot grow: the disk is full",
        "what was stored before is intact; free some space and try again",
    ),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written whole",
        "what was stored before is intact; look at the disk, its quota and the file size limit (`ulimit -f`)",
    ),
    sqlite3.SQLITE_BUSY: (
        f"has been in use by another process for {BUSY_SECONDS:.0f} s",
        "try again when that process is done",
    ),
    sqlite3.SQLITE_READONLY: (
        "cannot be written: it or its folder is read-only",
        "name a store in a folder of your own: EDGEQ_STORE=/path/to/runs.sqlite",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened: it is a folder, or may not be read or written here",
        "name a store in a folder of your own: EDGEQ_STORE=/path/to/runs.sqlite",
    ),
}


def open_database(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the store's file and bring it to `VERSION`; with `create`, make it and its folder when missing.

    What `COMMIT` acknowledged survives a kill and, where the disk keeps its promises, a power cut. The
    connection may be used from several threads, one at a time.

    Raises:
        StoreError: missing, damaged, not a store, of a newer version, in use for too long, or not writable.
    """
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise StoreError(
                f"there is no store at {path}",
                hint="`edgeq run` and `edgeq bench` keep their runs there; "
                "`edgeq runs import FILE` adds reports",
            )
    except OSError as error:
        raise StoreError(f"cannot reach the store {path}: {error.strerror}") from error
    with explained(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # EXTRA also syncs the folder once the journal is gone, without which a power cut undoes a commit.
            execute(connection, "PRAGMA synchronous = EXTRA")
            execute(connection, "PRAGMA cell_size_check = ON")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def execute(connection: sqlite3.Connection, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
    """Execute a statement, waiting up to `BUSY_SECONDS` for other processes.

    Raises:
        sqlite3.Error: what SQLite says, SQLITE_BUSY after that time.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        # Any odd time will do: processes that look in step would meet again and again.
        time.sleep(random.uniform(*_LOOK_AGAIN_SECONDS))  # noqa: S311


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a StoreError that names the file and what to do."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Of a damaged schema, SQLite's very message may be no text.
        what, hint = _REFUSALS.get(
            _primary_code(error), ("is damaged, or not as this edgeq made it", _MOVE_AWAY)
        )
        raise StoreError(f"the store {path} {what} (SQLite: {error})", hint=hint) from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Run a block between `BEGIN kind` (IMMEDIATE to write, DEFERRED to read) and COMMIT or ROLLBACK."""
    execute(connection, f"BEGIN {kind}")
    try:
        yield
        execute(connection, "COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, a full disk among them.
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _primary_code(error: Exception) -> int:
    """SQLite's result code without its refinement."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection, "DEFERRED"):
        version = _read_version(connection, path)
    if version == VERSION:
        return
    with transaction(connection, "IMMEDIATE"):
        # Another process may have done it meanwhile.
        for statements in MIGRATIONS[_read_version(connection, path) :]:
            for statement in statements:
                execute(connection, statement)
        execute(connection, f"PRAGMA application_id = {APPLICATION_ID}")
        execute(connection, f"PRAGMA user_version = {VERSION}")


def _read_version(connection: sqlite3.Connection, path: Path) -> int:
    def ask(query: str) -> int:
        return int(execute(connection, query).fetchone()[0])

    owner, version = ask("PRAGMA application_id"), ask("PRAGMA user_version")
    if (owner, version) == (0, 0) and ask("SELECT count(*) FROM sqlite_schema") == 0:
        return 0
    if owner != APPLICATION_ID:
        raise StoreError(
            f"{path} is an SQLite database of another program, not a store of runs",
            hint="name another file: EDGEQ_STORE=/path/to/runs.sqlite",
        )
    if version > VERSION:
        raise StoreError(
            f"the store {path} is of version {version}; this edgeq reads versions up to {VERSION}",
            hint="use the edgeq that wrote it, or a newer one",
        )
    # SQLite misses what is cut off the last page. Nobody can be writing: this transaction has begun to read.
    expected = ask("PRAGMA page_count") * ask("PRAGMA page_size")
    if (size := path.stat().st_size) < expected:
        raise StoreError(f"the store {path} is damaged: it has {size} of {expected} bytes", hint=_MOVE_AWAY)
    return version
