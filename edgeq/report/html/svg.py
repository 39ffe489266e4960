"""matplotlib drawings as inline SVG: colours are CSS variables (light and dark), text stays text.

A drawing is made at `WIDTH` CSS pixels, close to what a phone shows, and is scaled by the page from there, so
its text stays readable. Same input, same bytes.
"""

import io
import logging
import re
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgeq.plain import printable

WIDTH = 340.0
PER_INCH = 72.0  # matplotlib's SVG has 72 units an inch, so that a unit is a CSS pixel

# Colours that stand for a role until the drawing is finished, and the CSS that replaces them.
COLOURS = 6
SERIES = tuple(f"#fe00{index:02x}" for index in range(COLOURS))
RULE, TEXT, MUTED, UNTOLD = "#fe0080", "#fe0081", "#fe0082", "#fe0083"
MARKERS = ("o", "s", "^", "D", "v", "P")
BAR = "■"
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")  # the same shapes, for a legend in text
_CSS = {colour: f"var(--s{index})" for index, colour in enumerate(SERIES)} | {
    RULE: "var(--rule)",
    TEXT: "currentColor",
    MUTED: "var(--muted)",
    UNTOLD: "var(--untold)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeq",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.0,
    "text.color": TEXT,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
# The page's own font: DejaVu Sans, which matplotlib lays the text out with, is wider than most.
_FAMILY = re.compile(r"; font-family: [^;]*")
_REFERENCE = re.compile(r"#([\w-]+)")
# Style is matplotlib's global state, and `edgeq run` writes reports of several devices at once.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A drawing for a page.

    Attributes:
        svg: the inline SVG element, with `alt` as its accessible name.
        title: heading of the figure.
        caption: what it shows and how to read it.
        alt: the same in words and numbers, for those who do not see it.
        legend: (CSS class of the colour, glyph, label) of each series; empty when the drawing has labels.
    """

    svg: Markup
    title: str
    caption: str
    alt: str
    legend: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Margins:
    """Room around the axes in CSS pixels."""

    left: float = 4.0
    right: float = 4.0
    top: float = 4.0
    bottom: float = 4.0


# For a plot with ticks on both axes.
PLOT = Margins(left=56, right=14, top=12, bottom=42)


def draw_plot(
    key: str, alt: str, height: float, paint: Callable[[Axes], None], margins: Margins = PLOT
) -> Markup:
    """Draw `paint` on axes inside `margins`; see `draw`."""

    def paint_axes(figure: Figure) -> None:
        box = (
            margins.left / WIDTH,
            margins.bottom / height,
            1 - (margins.left + margins.right) / WIDTH,
            1 - (margins.bottom + margins.top) / height,
        )
        paint(figure.add_axes(box))

    return draw(key, alt, height, paint_axes)


def draw(key: str, alt: str, height: float, paint: Callable[[Figure], None]) -> Markup:
    """Draw `paint` on a figure of `WIDTH` by `height` CSS pixels; `key` makes the ids unique on a page."""
    with _LOCK, mpl.rc_context(), warnings.catch_warnings():
        # The defaults, not what a matplotlibrc of the user says: same input, same bytes.
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        # A glyph that DejaVu lacks is the browser's business: text stays text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
        figure = Figure(figsize=(WIDTH / PER_INCH, height / PER_INCH), dpi=PER_INCH)
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return _clean(buffer.getvalue(), key, alt)


def shorten(text: str, most: int) -> str:
    """`text` on one line in at most `most` characters; what is cut is cut from the middle."""
    line = " ".join(printable(text).split())
    if len(line) <= most:
        return line
    head = (most - 1) * 2 // 3
    return f"{line[:head]}…{line[len(line) - (most - 1 - head) :]}"


def colour(index: int) -> str:
    """The colour of series `index`, to draw with."""
    return SERIES[index % COLOURS]


def marker(index: int) -> str:
    """The marker of series `index`, so that colour is not all that tells them apart."""
    return MARKERS[index % len(MARKERS)]


def legend_of(series: Sequence[tuple[int, str]], glyph: str = "") -> tuple[tuple[str, str, str], ...]:
    """A legend for (index, label) drawn with their `colour` and `marker` unless a glyph is given."""
    return tuple(
        (f"c{index % COLOURS}", glyph or GLYPHS[index % len(GLYPHS)], label) for index, label in series
    )


def _clean(source: str, key: str, alt: str) -> Markup:
    root = ElementTree.fromstring(source)  # noqa: S314 # written by matplotlib a line above
    used = {
        name
        for element in root.iter()
        for value in element.attrib.values()
        for name in _REFERENCE.findall(value)
    }
    for parent in list(root.iter()):
        for child in list(parent):
            # The style element would apply to the whole page; the metadata names other sites.
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(name): _attribute(value, key)
            for name, value in element.attrib.items()
            if name != "id" or value in used
        }
        if element.attrib.get("id"):
            element.attrib["id"] = f"{key}-{element.attrib['id']}"
        element.text, element.tail = (element.text or "").strip() or None, None
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": printable(alt)}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 # serialized by ElementTree


def _attribute(value: str, key: str) -> str:
    for colour, css in _CSS.items():
        value = value.replace(colour, css)
    value = _FAMILY.sub("", value)
    return _REFERENCE.sub(rf"#{key}-\1", value) if "#" in value else value


def _local(name: str) -> str:
    return name.rpartition("}")[2]
