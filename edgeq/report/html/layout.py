"""Places the boxes of a graph in rows from top to bottom, each below all that it reads.

Boxes come in order of execution, in parts (delegates and what lies between them) that do not share rows. A
row holds a few boxes at most, so that a drawing stays as wide as a phone's screen allows. Within a row they
stand below what they read. Connections that pass rows run in lanes beside the boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Lane:
    """A connection that passes rows: from one box to another, in a lane counted from the boxes outward."""

    source: int
    target: int
    lane: int


@dataclass(frozen=True)
class Layout:
    """Where the boxes are.

    Attributes:
        rows: the boxes of each row, from left to right.
        direct: connections from a row to the next: (source, target).
        lanes: the other ones.
    """

    rows: tuple[tuple[int, ...], ...]
    direct: tuple[tuple[int, int], ...]
    lanes: tuple[Lane, ...]

    @property
    def row_of(self) -> dict[int, int]:
        """The row of each box."""
        return {box: row for row, boxes in enumerate(self.rows) for box in boxes}


def lay_out(parts: Sequence[int], reads: Sequence[Sequence[int]]) -> Layout:
    """Place the boxes 0, 1, ... of which each is in a part and reads earlier ones."""
    rows = _fill(parts, reads)
    row_of = {box: row for row, boxes in enumerate(rows) for box in boxes}
    rows = _sort(rows, reads)
    pairs = [(source, target) for target, sources in enumerate(reads) for source in dict.fromkeys(sources)]
    direct = tuple(pair for pair in pairs if row_of[pair[1]] - row_of[pair[0]] == 1)
    passing = [pair for pair in pairs if row_of[pair[1]] - row_of[pair[0]] > 1]
    return Layout(tuple(map(tuple, rows)), direct, _choose_lanes(passing, row_of))


def _fill(parts: Sequence[int], reads: Sequence[Sequence[int]]) -> list[list[int]]:
    rows: list[list[int]] = []
    row_of: dict[int, int] = {}
    start, current = 0, None
    for box, part in enumerate(parts):
        if part != current:
            start, current = len(rows), part
        row = max([start, *(row_of[source] + 1 for source in reads[box])])
        while row < len(rows) and len(rows[row]) >= MOST_IN_A_ROW:
            row += 1
        rows += [[] for _ in range(row + 1 - len(rows))]
        rows[row].append(box)
        row_of[box] = row
    return rows


def _sort(rows: list[list[int]], reads: Sequence[Sequence[int]]) -> list[list[int]]:
    """Each row in the order of the middle of what its boxes read."""
    middle: dict[int, float] = {}
    ordered = []
    for boxes in rows:

        def key(box: int) -> float:
            sources = [middle[source] for source in reads[box]]
            return sum(sources) / len(sources) if sources else 0.0

        boxes = sorted(boxes, key=key)  # stable: what reads the same keeps its order
        for place, box in enumerate(boxes):
            middle[box] = place - (len(boxes) - 1) / 2
        ordered.append(boxes)
    return ordered


def _choose_lanes(passing: Sequence[tuple[int, int]], row_of: dict[int, int]) -> tuple[Lane, ...]:
    """The innermost free lane for each, the short ones first."""
    taken: list[list[tuple[int, int]]] = []
    lanes = []
    for source, target in sorted(passing, key=lambda pair: (row_of[pair[1]] - row_of[pair[0]], pair)):
        start, end = row_of[source], row_of[target]
        lane = next(
            (i for i, spans in enumerate(taken) if all(end <= a or b <= start for a, b in spans)), len(taken)
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        lanes.append(Lane(source, target, lane))
    return tuple(lanes)
