"""Draws a lowered program: each kernel a box, delegates as tinted boxes around theirs, top to bottom.

What a kernel computes besides its own operator, such as the clamp behind a convolution, is folded into its
box. The drawing is inline SVG whose colours are the page's variables, with a value of their own for a file
that is no page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup

from edgeq.graph import Node, ProgramGraph
from edgeq.plain import printable
from edgeq.report.html.layout import Layout, lay_out
from edgeq.report.html.svg import WIDTH, shorten

_LANE, _MARGIN, _GAP = 8.0, 12.0, 8.0
_HEIGHT, _STEP = 30.0, 44.0
_LABEL, _FRAME = 22.0, 8.0  # above a delegate for its name; around it
_FONT, _SMALL = 11.0, 10.0
_LETTER = 0.56  # width of a letter in font sizes, at most
_MOST_LANES = 6
_TEXT, _MUTED, _RULE = "var(--fg,#1c2128)", "var(--muted,#59636e)", "var(--rule,#d7dde3)"
_PANEL, _PAGE = "var(--panel,#f5f7f9)", "var(--bg,#fff)"
_BAD, _TINT = "var(--bad,#b3261e)", "var(--s1,#0b67cf)"


@dataclass(frozen=True)
class Box:
    """What is drawn: a kernel, a portable operator, an input or an output.

    Attributes:
        style: `plain`, `convert` (changes type or layout), `portable` or `end` (input or output).
        delegate: that it is in.
        says: in full, for the title.
    """

    name: str
    detail: str
    style: str
    delegate: int | None
    says: str


def draw_graph(graph: ProgramGraph, alt: str) -> Markup:
    """The drawing as an inline SVG element with `alt` as its accessible name."""
    return Markup(ElementTree.tostring(_paint(graph, alt), encoding="unicode"))  # noqa: S704 # serialized


def render_svg(graph: ProgramGraph, alt: str) -> str:
    """The drawing as a file of its own."""
    root = _paint(graph, alt)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("font-family", "system-ui, DejaVu Sans, sans-serif")
    root.insert(0, ElementTree.Element("rect", width="100%", height="100%", style="fill:#fff"))
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _paint(graph: ProgramGraph, alt: str) -> ElementTree.Element:
    boxes, reads = fold(graph)
    parts = [-1 if box.delegate is None else box.delegate for box in boxes]
    return _Canvas(boxes, lay_out(parts, reads), graph).paint(alt)


def fold(graph: ProgramGraph) -> tuple[list[Box], list[list[int]]]:
    """The boxes in order of execution, and which earlier ones each reads."""
    boxes: list[Box] = []
    owner: dict[int, int] = {}
    kernels = {
        kernel.node: kernel.kind
        for delegate in graph.delegates
        for kernel in delegate.kernels
        if kernel.node is not None
    }
    for place, node in enumerate(graph.nodes):
        sources = [owner[source] for source in node.inputs if source in owner]
        inside = node.delegate is not None
        if inside and place not in kernels and sources:
            owner[place] = sources[0]  # part of the kernel before it
            continue
        owner[place] = len(boxes)
        boxes.append(_box(node, kernels.get(place)))
    reads: list[list[int]] = [[] for _ in boxes]
    for place, node in enumerate(graph.nodes):
        for source in node.inputs:
            if owner[source] != owner[place] and owner[source] not in reads[owner[place]]:
                reads[owner[place]].append(owner[source])
    return boxes, reads


def _box(node: Node, kernel: str | None) -> Box:
    operator = node.op.removeprefix("aten.").partition(".")[0]
    shape = "x".join(map(str, node.shape)) or "scalar"
    if node.kind in ("input", "output"):
        name = f"input {node.op}" if node.kind == "input" else "output"
        return Box(name, f"{node.dtype} {shape}", "end", None, f"{name}, {node.dtype} {shape}")
    module = node.module or "the model itself"
    says = f"{node.op} in {module}, output {node.dtype} {shape}"
    if node.delegate is None:
        remedy = f" Remedy: {node.remedy}." if node.remedy else ""
        told = f"{says}. Left to portable kernels: {node.reason}.{remedy}"
        return Box(f"portable: {operator}", f"{node.module} {shape}".strip(), "portable", None, told)
    if node.macs:
        says += f", {node.macs:,} multiply-accumulates"
    converts = node.kind != "operator"
    name = node.kind if converts else kernel or operator
    style = "convert" if converts else "plain"
    return Box(name, f"{node.module} {shape}".strip(), style, node.delegate, says)


class _Canvas:
    """Coordinates of a layout, and the elements drawn on them."""

    def __init__(self, boxes: Sequence[Box], layout: Layout, graph: ProgramGraph) -> None:
        self._boxes, self._layout, self._graph = boxes, layout, graph
        lanes = min(_MOST_LANES, max((lane.lane + 1 for lane in layout.lanes), default=0))
        self._left = _MARGIN
        self._right = WIDTH - _MARGIN - lanes * _LANE
        self._tops: list[float] = []
        self._frames: list[tuple[int, float, float]] = []
        self._height = self._place_rows()
        self._spans = {
            box: self._span(place, len(row)) for row in layout.rows for place, box in enumerate(row)
        }

    def _place_rows(self) -> float:
        """The top of each row and of each delegate's frame; gives the whole height."""
        y, current, start = _MARGIN, None, 0.0
        for row in self._layout.rows:
            delegate = self._boxes[row[0]].delegate
            if delegate != current:
                if current is not None:
                    self._frames.append((current, start, y - _STEP + _HEIGHT + _FRAME))
                    y += _FRAME
                if delegate is not None:
                    start = y
                    y += _LABEL
                current = delegate
            self._tops.append(y)
            y += _STEP
        end = y - _STEP + _HEIGHT
        if current is not None:
            self._frames.append((current, start, end + _FRAME))
        return end + _MARGIN + _FRAME

    def _span(self, place: int, count: int) -> tuple[float, float]:
        """Left and right end of a box in its row."""
        inner = (self._right - self._left - 2 * _FRAME - (count - 1) * _GAP) / count
        left = self._left + _FRAME + place * (inner + _GAP)
        return left, left + inner

    def paint(self, alt: str) -> ElementTree.Element:
        size = f"0 0 {WIDTH:g} {self._height:g}"
        root = ElementTree.Element("svg", {"viewBox": size, "role": "img", "aria-label": printable(alt)})
        for delegate, top, end in self._frames:
            self._frame(root, delegate, top, end)
        for source, target in self._layout.direct:
            x, y = self._middle(source), self._bottom(source)
            to, low = self._middle(target), self._top(target)
            bend = (y + low) / 2
            _path(root, f"M{x:g} {y:g}C{x:g} {bend:g} {to:g} {bend:g} {to:g} {low:g}")
        for lane in self._layout.lanes:
            edge = self._right + (lane.lane % _MOST_LANES + 0.5) * _LANE
            x, y = self._spans[lane.source][1], self._bottom(lane.source) - _HEIGHT / 3
            to, low = self._spans[lane.target][1], self._top(lane.target) + _HEIGHT / 3
            _path(root, f"M{x:g} {y:g}H{edge:g}V{low:g}H{to:g}")
        for index, box in enumerate(self._boxes):
            self._paint_box(root, index, box)
        return root

    def _frame(self, root: ElementTree.Element, delegate: int, top: float, end: float) -> None:
        known = self._graph.delegates[delegate]
        macs = sum(node.macs for node in self._graph.nodes)
        own = sum(node.macs for node in self._graph.nodes if node.delegate == delegate)
        share = f", {own / macs:.1%} of the multiply-accumulates" if macs else ""
        title = f"Delegate {delegate}: {known.backend}, {len(known.kernels)} kernels"
        group = ElementTree.SubElement(root, "g")
        ElementTree.SubElement(group, "title").text = printable(title + share)
        style = f"fill:{_TINT};fill-opacity:.09;stroke:{_TINT};stroke-opacity:.5"
        _rectangle(group, self._left, top, self._right - self._left, end - top, style)
        _text(group, self._left + _FRAME, top + 15, title, _SMALL, _MUTED)

    def _paint_box(self, root: ElementTree.Element, index: int, box: Box) -> None:
        left, right = self._spans[index]
        top = self._top(index)
        group = ElementTree.SubElement(root, "g")
        ElementTree.SubElement(group, "title").text = printable(box.says)
        style = {
            "plain": f"fill:{_PAGE};stroke:{_RULE}",
            "convert": f"fill:{_PANEL};stroke:{_MUTED};stroke-dasharray:3 2",
            "portable": f"fill:{_PAGE};stroke:{_BAD};stroke-width:2",
            "end": f"fill:{_PANEL};stroke:{_RULE}",
        }[box.style]
        _rectangle(group, left, top, right - left, _HEIGHT, style)
        colour = _BAD if box.style == "portable" else _TEXT
        room = right - left - 10
        _text(group, left + 5, top + 13, shorten(box.name, _letters(room, _FONT)), _FONT, colour)
        _text(group, left + 5, top + 25, shorten(box.detail, _letters(room, _SMALL)), _SMALL, _MUTED)

    def _top(self, box: int) -> float:
        return self._tops[self._layout.row_of[box]]

    def _bottom(self, box: int) -> float:
        return self._top(box) + _HEIGHT

    def _middle(self, box: int) -> float:
        left, right = self._spans[box]
        return (left + right) / 2


def _letters(room: float, size: float) -> int:
    return max(4, int(room / (size * _LETTER)))


def _path(root: ElementTree.Element, shape: str) -> None:
    ElementTree.SubElement(root, "path", d=shape, style=f"fill:none;stroke:{_MUTED};stroke-width:1")


def _rectangle(
    root: ElementTree.Element, x: float, y: float, width: float, height: float, style: str
) -> None:
    ElementTree.SubElement(
        root, "rect", x=f"{x:g}", y=f"{y:g}", width=f"{width:g}", height=f"{height:g}", rx="4", style=style
    )


def _text(root: ElementTree.Element, x: float, y: float, text: str, size: float, colour: str) -> None:
    element = ElementTree.SubElement(root, "text", x=f"{x:g}", y=f"{y:g}")
    element.set("style", f"font-size:{size:g}px;fill:{colour}")
    element.text = text
