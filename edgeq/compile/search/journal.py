"""What a search has found so far, one JSON document a line, so that a search that was killed goes on.

Every entry is found by a key that is made of the content that it depends on: an entry of another model,
recipe or version is never taken for this one. The last line may be torn by a kill; it is dropped. No torch
here.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from edgeq.compile.recipe import Override, Recipe
from edgeq.errors import InputError
from edgeq.results.records import Closeness, Metrics, Record, Run

JOURNAL_SCHEMA = 1
JOURNAL = "search.jsonl"


class Tried(Record, tag="tried", frozen=True, kw_only=True):
    """A recipe simulated on the host.

    `refused` says why the recipe cannot be applied; then the rest is empty.
    """

    key: str
    recipe: Recipe
    metrics: Metrics = msgspec.field(default_factory=dict)
    closeness: Closeness | None = None
    refused: str | None = None

    @property
    def sqnr_db(self) -> float:
        """SQNR of the outputs beside the eager model's; infinite when they are equal to the last bit."""
        if self.closeness is None or self.closeness.missing is not None:
            return float("-inf")
        return float("inf") if self.closeness.sqnr_db is None else self.closeness.sqnr_db


class Ranked(Record, tag="ranked", frozen=True, kw_only=True):
    """The layers of a model under a recipe, worst first: the override of each, and its share of the work."""

    key: str
    layers: tuple[tuple[Override, float], ...]


class Exported(Record, tag="exported", frozen=True, kw_only=True):
    """A recipe exported: where its artifact is, in the search's folder; or why there is none."""

    key: str
    recipe: Recipe
    folder: str | None = None
    refused: str | None = None


class Measured(Record, tag="measured", frozen=True, kw_only=True):
    """A program measured on a device: its Run, whole."""

    key: str
    run: Run


class _Head(Record, tag="head", frozen=True, kw_only=True):
    schema: int


Entry = Tried | Ranked | Exported | Measured


class Journal:
    """The entries of one folder, held by one search at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._entries: dict[str, Entry] = {}

    def __enter__(self) -> "Journal":
        """Read what is there, and take the file.

        Raises:
            InputError: another search has it, it is damaged, or of another version.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(self._file)
        except BlockingIOError as error:
            self._file.close()
            raise InputError(
                f"another search works in {self.path.parent}", hint="wait for it, or give another --out"
            ) from error
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Entry | None:
        """The entry with this key."""
        return self._entries.get(key)

    def add(self, entry: Entry) -> None:
        """Keep `entry`: it is on the disk when this returns."""
        self._write(entry)
        self._entries[entry.key] = entry

    def _write(self, entry: Entry | _Head) -> None:
        assert self._file is not None  # noqa: S101 - used as a context
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, file: IO[bytes]) -> None:
        file.seek(0)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            file.truncate(len(whole))
        if not whole:
            self._write(_Head(schema=JOURNAL_SCHEMA))
            return
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = msgspec.json.decode(line, type=Entry | _Head)
            except (msgspec.DecodeError, InputError) as error:
                raise self._damaged(number, str(error)) from error
            if isinstance(entry, _Head) != (number == 1):
                raise self._damaged(number, "the first line, and it alone, says the schema")
            if not isinstance(entry, _Head):
                self._entries[entry.key] = entry
            elif entry.schema != JOURNAL_SCHEMA:
                raise self._damaged(number, f"schema {entry.schema}; this edgeq reads {JOURNAL_SCHEMA}")

    def _damaged(self, line: int, why: str) -> InputError:
        return InputError(f"{self.path}, line {line}: {why}", hint="delete the file to search from the start")
