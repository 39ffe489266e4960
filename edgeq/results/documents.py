"""Runs as the JSON that they came in: taken out of a report and put into one without losing a key."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from edgeq.errors import InputError, StoreError
from edgeq.results.records import SCHEMA, Run


class _RawReport(msgspec.Struct):
    schema: int
    runs: tuple[msgspec.Raw, ...]


def split_report(data: bytes) -> list[bytes]:
    """The run documents of a report, without white space; they are not looked into.

    Raises:
        InputError: not a report, or of a schema that this edgeq does not read.
    """
    try:
        report = msgspec.json.decode(data, type=_RawReport)
    except msgspec.DecodeError as error:
        raise InputError(f"not a report of schema {SCHEMA}: {error}") from error
    _check_schema(report.schema)
    return [msgspec.json.format(bytes(raw), indent=-1) for raw in report.runs]


def join_report(documents: Sequence[bytes]) -> bytes:
    """The report of run documents, as `edgeq.results.records.encode_report` writes it."""
    report = b'{"schema":%d,"runs":[%b]}' % (SCHEMA, b",".join(documents))
    return msgspec.json.format(report, indent=2) + b"\n"


def read_run(document: bytes, place: int = 1) -> Run:
    """The Run that a document holds; `place` counts it in messages.

    Raises:
        InputError: of a schema that this edgeq does not read.
        StoreError: not a Run; the wrong field is named.
    """
    try:
        run = msgspec.json.decode(document, type=Run)
    except msgspec.DecodeError as error:
        # msgspec writes nan and infinity as null, which no number can be read from.
        raise StoreError(
            f"run {place} cannot be kept: {error}", hint="is a number in it missing, nan or infinite?"
        ) from error
    _check_schema(run.schema)
    try:
        datetime.fromisoformat(run.created)
    except ValueError as error:
        raise StoreError(f"run {place} cannot be kept: created {run.created!r} is not a time") from error
    return run


def is_same(kept: bytes, offered: bytes) -> bool:
    """Whether two documents say the same.

    An edgeq that did not know some of the keys may have written `offered` again without them.
    """
    if msgspec.json.decode(kept) == msgspec.json.decode(offered):
        return True
    run = msgspec.json.decode(offered, type=Run)
    return msgspec.json.encode(run) == offered and msgspec.json.decode(kept, type=Run) == run


def _check_schema(schema: int) -> None:
    if not 1 <= schema <= SCHEMA:
        raise InputError(
            f"a document of schema {schema}; this edgeq reads schemas up to {SCHEMA}",
            hint="use the edgeq that wrote it, or a newer one",
        )
