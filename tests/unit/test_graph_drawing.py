"""The drawing of a program: where boxes are, what is folded into them, what they say."""

import itertools
from xml.etree import ElementTree

import pytest
from hostile import TEXTS
from msgspec.structs import replace
from programs import REASON, REMEDY, make_graph
from runs import make_run

from edgeq.graph import ProgramGraph
from edgeq.report.html.graph import draw_graph, fold, render_svg
from edgeq.report.html.layout import MOST_IN_A_ROW, lay_out
from edgeq.report.html.page import render_html
from edgeq.report.html.program import describe_graph


def test_every_box_lies_below_what_it_reads_and_parts_share_no_row():
    # A chain with a branch, a delegate, wide rows.
    reads = [[], [0], [0], [1, 2], [3], [3], [3], [3], [4, 5, 6, 7], [0, 8]]
    parts = [-1, 0, 0, 0, 1, 1, 1, 1, -1, -1]
    layout = lay_out(parts, reads)
    row_of = layout.row_of
    assert sorted(row_of) == list(range(len(reads)))
    assert all(row_of[source] < row_of[box] for box, sources in enumerate(reads) for source in sources)
    assert all(len(row) <= MOST_IN_A_ROW for row in layout.rows)
    assert all(len({parts[box] for box in row}) == 1 for row in layout.rows)
    drawn = {*layout.direct, *((lane.source, lane.target) for lane in layout.lanes)}
    assert drawn == {(source, box) for box, sources in enumerate(reads) for source in sources}
    for one, other in itertools.combinations(layout.lanes, 2):
        if one.lane == other.lane:
            spans = [(row_of[lane.source], row_of[lane.target]) for lane in (one, other)]
            assert spans[0][1] <= spans[1][0] or spans[1][1] <= spans[0][0]


def test_a_clamp_and_inner_conversions_are_folded_into_their_kernel():
    boxes, reads = fold(make_graph())
    assert [(box.name, box.style, box.delegate) for box in boxes] == [
        ("input image", "end", None),
        ("quantize", "convert", 0),
        ("Conv2d", "plain", 0),
        ("dequantize", "convert", 0),
        ("portable: mean", "portable", None),
        ("output", "end", None),
    ]
    assert reads == [[], [0], [1], [2], [3], [4]]


def test_an_operator_that_was_left_out_says_why_and_the_remedy():
    root = ElementTree.fromstring(render_svg(make_graph(), "a graph"))
    titles = [element.text for element in root.iter() if element.tag.endswith("title")]
    (left,) = (title for title in titles if "portable" in title)
    assert REASON in left
    assert REMEDY in left
    assert "Delegate 0: XNNPACK, 5 kernels, 100.0% of the multiply-accumulates" in titles
    assert root.get("aria-label") == "a graph"


def test_a_long_chain_stays_narrow_and_every_kernel_is_a_line():
    graph = make_graph()
    node = replace(graph.nodes[3], inputs=(2,))
    chain = [*graph.nodes[:3], *(replace(node, inputs=(place,)) for place in range(2, 302))]
    kernels = tuple(replace(graph.delegates[0].kernels[2], node=place) for place in range(3, 303))
    long = ProgramGraph(
        nodes=tuple(chain), delegates=(replace(graph.delegates[0], kernels=kernels),), tensors=()
    )
    root = ElementTree.fromstring(draw_graph(long, "long"))
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width == 340
    assert 300 * 40 < height < 310 * 50
    assert sum(element.text == "Conv2d" for element in root.iter()) == 300


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_names_stay_text(text):
    graph = make_graph(text)
    root = ElementTree.fromstring(render_svg(graph, describe_graph(text, graph)))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        *("svg", "g", "rect", "path", "text", "title")
    }


def test_a_page_without_the_graph_says_where_it_is():
    run = make_run()
    page = render_html([run])
    assert "edgeq inspect ARTIFACT --html FILE" in page
    shown = render_html([run], {run.artifact.sha256: make_graph()})
    assert "edgeq inspect ARTIFACT" not in shown
    assert "<details>" in shown
