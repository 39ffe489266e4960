"""Horizontal bars with the label above and the number beside each: readable on a phone, no axis needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform

from edgeq.report.html.svg import MUTED, RULE, TEXT, WIDTH, draw, shorten

_LABEL, _GAP, _PAD = 17.0, 11.0, 4.0
THIN, THICK = 13.0, 22.0  # height of a bar with its share of the gap
_ROOM = 88.0  # for the number at the end of the longest bar
_MOST_DOTS = 2000


@dataclass(frozen=True)
class Bar:
    """One bar of stacked parts, each with its colour (see `svg`), and the text at its end.

    `dots` are raw values, drawn over the bar.
    """

    parts: tuple[tuple[float, str], ...]
    text: str
    dots: tuple[float, ...] = ()


@dataclass(frozen=True)
class Group:
    """Bars that belong together under one label."""

    label: str
    bars: tuple[Bar, ...]


def draw_bars(
    key: str, alt: str, groups: Sequence[Group], size: float = THICK, mark: float | None = None
) -> Markup:
    """Draw groups downwards on one scale from zero; `mark` is a dashed line, such as a ratio of 1."""
    height = sum(_LABEL + size * len(group.bars) for group in groups) + _GAP * (len(groups) - 1) + 2 * _PAD
    longest = max((reach for group in groups for bar in group.bars for reach in _reaches(bar)), default=0.0)
    scale = max(longest, mark or 0.0) or 1.0

    room = (WIDTH - 2 * _PAD - _ROOM) / scale

    def paint(figure: Figure) -> None:
        if mark is not None:
            _line(figure, [_PAD + mark * room] * 2, [0, height], color=MUTED, linestyle=(0, (3, 3)))
        below = height - _PAD
        for group in groups:
            _write(figure, _PAD, below - _LABEL + 5, shorten(group.label, 48), va="baseline", color=TEXT)
            below -= _LABEL
            for bar in group.bars:
                below -= size
                _paint_bar(figure, bar, below, size - 2, room)
            below -= _GAP

    return draw(key, alt, height, paint)


def _reaches(bar: Bar) -> tuple[float, ...]:
    return (sum(length for length, _ in bar.parts), *bar.dots)


def _paint_bar(figure: Figure, bar: Bar, bottom: float, height: float, room: float) -> None:
    """Paint a bar of `height` pixels with its lower edge at `bottom`; `room` is pixels a unit."""
    left = _PAD
    for length, colour in bar.parts:
        figure.add_artist(
            Rectangle(
                (left, bottom),
                length * room,
                height,
                color=colour,
                linewidth=0,
                transform=IdentityTransform(),
            )
        )
        left += length * room
    if bar.dots:
        # Every value, spread over the height of the bar in the order in which it was taken.
        dots = bar.dots[:: -(-len(bar.dots) // _MOST_DOTS)]
        heights = [bottom + 2 + (index * 0.618034 % 1) * (height - 4) for index in range(len(dots))]
        style = {"marker": "o", "markersize": 3.2, "markeredgecolor": RULE, "markeredgewidth": 0.4}
        _line(figure, [_PAD + dot * room for dot in dots], heights, color=TEXT, linestyle="none", **style)
    end = _PAD + max(_reaches(bar)) * room + 5
    _write(
        figure,
        end,
        bottom + height / 2,
        shorten(bar.text, 22),
        va="center_baseline",
        color=MUTED,
        fontsize=10,
    )


def _line(figure: Figure, x: Sequence[float], y: Sequence[float], **style: Any) -> None:  # noqa: ANN401
    figure.add_artist(Line2D(x, y, linewidth=1, transform=IdentityTransform(), **style))


def _write(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:  # noqa: ANN401
    figure.add_artist(Text(x, y, text, transform=IdentityTransform(), **style))
