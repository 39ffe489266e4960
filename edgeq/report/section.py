"""One part of a report as data, whatever it is rendered to."""

from dataclasses import dataclass

Row = tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A title, sentences, and a table (none when it has no rows)."""

    title: str
    sentences: tuple[str, ...] = ()
    header: Row = ()
    rows: tuple[Row, ...] = ()
