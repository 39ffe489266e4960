"""The store: every Run whole in one SQLite file, with columns to find it by and labels that say whence it is.

A Run's JSON is kept as it came, keys that this edgeq does not know included, beside a checksum: what comes
out is what went in. Labels (`branch`, `commit`, ...) belong to the store, not to the Run.
"""

import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypedDict, Unpack

import msgspec

from edgeq.errors import InputError, StoreError
from edgeq.results.database import execute, explained, open_database, transaction
from edgeq.results.documents import is_same, join_report, read_run, split_report
from edgeq.results.records import Run

_NO_LABELS: Mapping[str, str] = {}
_MOST_CANDIDATES = 5
# Documents that are read together: few enough to hold, many enough to wait for a writer seldom.
_AT_A_TIME = 50


class Filter(TypedDict, total=False):
    """Which runs: those that match everything given (None matches all). `since` is the earliest creation."""

    artifact: str | None
    recipe: str | None
    device: str | None
    status: str | None
    branch: str | None
    commit: str | None
    since: datetime | None


_CONDITIONS: dict[str, str] = {
    "artifact": "artifact = ?",
    "recipe": "recipe = ?",
    "device": "device = ?",
    "status": "status = ?",
    "branch": "number IN (SELECT number FROM labels WHERE key = 'branch' AND value = ?)",
    "commit": "number IN (SELECT number FROM labels WHERE key = 'commit' AND value = ?)",
    "since": "created >= ?",
}


class Entry(NamedTuple):
    """One line of the store's index. `created` is UTC with microseconds; `latency` the median, in `unit`."""

    id: str
    created: str
    status: str
    artifact: str
    recipe: str
    device: str | None
    latency: float | None
    unit: str | None


class Imported(NamedTuple):
    """How many runs a report held, and how many of them were new."""

    runs: int
    new: int


def default_store_path() -> Path:
    """`EDGEQ_STORE`, else `edgeq/runs.sqlite` in the user's data folder."""
    if own := os.environ.get("EDGEQ_STORE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "edgeq" / "runs.sqlite"


class Store:
    """A store of runs; opened when used, and made by the first run that is added. Threads may share it.

    Every method raises StoreError when the file is missing, damaged, full, in use for too long, or of a
    newer version; what was stored before is then as it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; twice is fine, and the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def add(self, run: Run, labels: Mapping[str, str] = _NO_LABELS) -> bool:
        """Keep `run`; it is on the disk when this returns. `labels` are set anew if it was there already.

        Returns:
            whether it was new.

        Raises:
            StoreError: another run has its id, or it holds a number that JSON has not (nan, infinity).
        """
        return self._put([msgspec.json.encode(run)], labels) == 1

    def import_report(self, data: bytes, labels: Mapping[str, str] = _NO_LABELS) -> Imported:
        """Keep all runs of a report document, or none if one cannot be kept.

        Raises:
            InputError: not a report of a schema that this edgeq reads; the wrong field is named.
            StoreError: as `add`.
        """
        documents = split_report(data)
        return Imported(runs=len(documents), new=self._put(documents, labels))

    def export(self, ids: Sequence[str] | None = None) -> bytes:
        """A report document of the runs with these ids (or their beginnings), or of all, oldest first.

        Raises:
            InputError: no run, or several, with such an id.
        """
        if ids is None:
            documents = [*self._documents(self._numbers({}, None)[::-1])]
        else:
            documents = [self.document(each) for each in ids]
        return join_report(documents)

    def get(self, run_id: str) -> Run:
        """The run with this id, or the only one whose id begins so.

        Raises:
            InputError: there is none, or there are several.
        """
        return msgspec.json.decode(self.document(run_id), type=Run)

    def document(self, run_id: str) -> bytes:
        """The JSON of a run as it came, without white space; `run_id` and errors as in `get`."""
        return next(self._documents([self._resolve(run_id)]))

    def labels(self, run_id: str) -> dict[str, str]:
        """The labels of a run, by key; `run_id` and errors as in `get`."""
        query = "SELECT key, value FROM labels WHERE number = ? ORDER BY key"
        return dict(self._rows(query, (self._resolve(run_id),)))

    def find(self, *, limit: int | None = None, **which: Unpack[Filter]) -> Iterator[Run]:
        """Matching runs, newest first, never all in memory. Runs added meanwhile are not seen."""
        for document in self._documents(self._numbers(which, limit)):
            yield msgspec.json.decode(document, type=Run)

    def latest(self, **which: Unpack[Filter]) -> Run | None:
        """The newest matching run, or None."""
        return next(self.find(limit=1, **which), None)

    def entries(self, *, limit: int | None = None, **which: Unpack[Filter]) -> list[Entry]:
        """The index lines of matching runs, newest first, without reading the runs: quick for 100,000."""
        rows = self._select(", ".join(Entry._fields), which, limit)
        return [Entry._make(row) for row in rows]

    def _numbers(self, which: Filter, limit: int | None) -> list[int]:
        return [number for (number,) in self._select("number", which, limit)]

    def _select(self, columns: str, which: Filter, limit: int | None) -> list[tuple[Any, ...]]:
        given = {key: value for key, value in which.items() if value is not None}
        where = " AND ".join(_CONDITIONS[key] for key in given) or "1"
        values = [_sortable(value) if isinstance(value, datetime) else value for value in given.values()]
        return self._rows(
            # Columns and conditions are this module's own text; what users give is bound.
            f"SELECT {columns} FROM runs WHERE {where} ORDER BY created DESC, number DESC LIMIT ?",  # noqa: S608
            (*values, -1 if limit is None else limit),
        )

    def _resolve(self, run_id: str) -> int:
        """The number of the run whose id is `run_id`, or the only one that begins so."""
        # No id that begins with it sorts after its beginning and the last code point of all.
        found = self._rows(
            "SELECT number, id FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (run_id, f"{run_id}\U0010ffff", _MOST_CANDIDATES),
        )
        if not found:
            raise InputError(
                f"no run {run_id!r} in {self.path}", hint="`edgeq runs list` shows what there is"
            )
        if len(found) > 1 and found[0][1] != run_id:
            raise InputError(
                f"several runs begin with {run_id!r}: {', '.join(each for _, each in found)}, ...",
                hint="give more of the id",
            )
        return int(found[0][0])

    def _documents(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Their documents in this order, some at a time."""
        for start in range(0, len(numbers), _AT_A_TIME):
            some = numbers[start : start + _AT_A_TIME]
            rows = self._rows(
                "SELECT number, CAST(json AS BLOB), crc FROM documents "
                "WHERE number IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(some).decode(),),
            )
            whole = {number: text for number, text, crc in rows if text and zlib.crc32(text) == crc}
            for number in some:
                if number not in whole:
                    raise StoreError(
                        f"the store {self.path} is damaged: run number {number} is not what was stored",
                        hint="restore it from a copy; `edgeq runs export ID...` saves runs that are whole",
                    )
                yield whole[number]

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._lock, explained(self.path):
            return execute(self._connect(create=False), query, values).fetchall()

    def _connect(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_database(self.path, create=create)
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self.path):
            connection = self._connect(create=True)
            try:
                with transaction(connection, "IMMEDIATE"):
                    yield connection
            except sqlite3.Error:
                # Whatever state the connection is in, the next use starts from the file.
                self.close()
                raise

    def _put(self, documents: Sequence[bytes], labels: Mapping[str, str]) -> int:
        """Insert in one transaction; returns how many were new."""
        runs = [(read_run(document, place), document) for place, document in enumerate(documents, 1)]
        new = 0
        with self._writing() as connection:
            for run, document in runs:
                number = self._known(connection, run, document)
                if number is None:
                    new += 1
                    number = _insert(connection, run, document)
                connection.executemany(
                    "INSERT OR REPLACE INTO labels (number, key, value) VALUES (?, ?, ?)",
                    [(number, key, value) for key, value in labels.items()],
                )
        return new

    def _known(self, connection: sqlite3.Connection, run: Run, document: bytes) -> int | None:
        row = execute(connection, "SELECT number FROM runs WHERE id = ?", (run.id,)).fetchone()
        if row is None:
            return None
        number = int(row[0])
        if not is_same(next(self._documents([number])), document):
            raise StoreError(
                f"run {run.id} is in {self.path} already, with another content",
                hint="a run never changes: was its document edited, or its id given twice?",
            )
        return number


def _insert(connection: sqlite3.Connection, run: Run, document: bytes) -> int:
    # numpy takes longer to load than a query takes, and only writers need it.
    from edgeq.results.stats import summarize

    series = run.find_series("latency")
    measured = series if series is not None and series.values else None
    device = run.device
    columns = {
        "id": run.id,
        "created": _sortable(datetime.fromisoformat(run.created)),
        "status": run.status,
        "artifact": run.artifact.name,
        "recipe": run.artifact.recipe,
        "sha256": run.artifact.sha256,
        "device": device.profile if device else None,
        "kind": device.kind if device else None,
        "clock": device.clock if device else None,
        "latency": summarize(measured.values).median if measured else None,
        "unit": measured.unit if measured else None,
    }
    marks = ", ".join("?" * len(columns))
    cursor = execute(
        connection,
        f"INSERT INTO runs ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
        tuple(columns.values()),
    )
    execute(
        connection,
        "INSERT INTO documents (number, json, crc) VALUES (?, ?, ?)",
        (cursor.lastrowid, document.decode(), zlib.crc32(document)),
    )
    assert cursor.lastrowid is not None  # noqa: S101
    return cursor.lastrowid


def _sortable(moment: datetime) -> str:
    """The moment in UTC, as text that sorts by time; without a zone it is UTC already.

    Raises:
        StoreError: before the year 1 or after 9999 in UTC.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError as error:
        raise StoreError(f"{moment.isoformat()} is not a time that can be kept") from error
