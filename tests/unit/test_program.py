"""The graph of a program as a document and as tables."""

import msgspec
import pytest
from msgspec.structs import replace
from programs import make_graph

from edgeq.errors import InputError
from edgeq.graph import decode_graph, encode_graph
from edgeq.report.program import channel_section, find_peak, memory_sections, tensor_section
from edgeq.report.text import render_text


def test_a_graph_comes_back_as_it_was_written():
    graph = make_graph()
    assert decode_graph(encode_graph(graph)) == graph
    assert encode_graph(make_graph()) == encode_graph(graph)


@pytest.mark.parametrize("change", ["node", "delegate", "kernel", "step", "schema"])
def test_a_graph_that_refers_to_nothing_is_refused(change):
    graph = make_graph()
    broken = {
        "node": replace(graph, nodes=(replace(graph.nodes[0], inputs=(99,)), *graph.nodes[1:])),
        "delegate": replace(graph, nodes=(replace(graph.nodes[0], delegate=1), *graph.nodes[1:])),
        "kernel": replace(graph, nodes=graph.nodes[:4]),
        "step": replace(graph, memory=replace(graph.memory, steps=("image",))),
        "schema": replace(graph, schema=2),
    }[change]
    with pytest.raises(msgspec.ValidationError):
        decode_graph(encode_graph(broken))


def test_tensors_show_scale_zero_point_and_range():
    rows = {row[0]: row[1:] for row in tensor_section(make_graph()).rows}
    assert rows["image"] == ("", "int8", "1x4x6x6", "0.5", "-28", "-50 to 77.5")
    assert rows["stem.conv.weight"][3:5] == ("0.1 to 0.4 (4 channels)", "0")
    assert rows["mean"] == ("head", "float32", "1x4", "", "", "")


def test_channels_of_a_module_are_listed_with_the_largest_weight_that_fits():
    rows = channel_section(make_graph(), "stem.conv").rows
    assert [row[1:] for row in rows] == [
        ("0", "0.1", "0", "12.7"),
        ("1", "0.2", "0", "25.4"),
        ("2", "0.4", "0", "50.8"),
        ("3", "0.3", "0", "38.1"),
    ]


def test_channels_of_an_unknown_module_are_an_error_that_lists_those_there_are():
    with pytest.raises(InputError, match="no weights of a module 'haed'") as caught:
        channel_section(make_graph(), "haed")
    assert "stem.conv" in caught.value.hint


def test_the_memory_plan_says_what_is_alive_at_the_peak():
    graph = make_graph()
    peak, alive = find_peak(graph.memory.tensors)
    assert (peak, [tensor.name for tensor in alive]) == (1, ["image", "delegate"])
    text = render_text(memory_sections(graph))
    assert "Most is alive at step 1 (delegate): 1.216 kB in image, delegate." in text
    lines = {line.split()[0]: line.split()[-1] for line in text.splitlines() if line.endswith(("#", "."))}
    assert (lines["image"], lines["delegate"], lines["mean"]) == ("##.", ".##", "..#")
