"""The page of one program, and its part in the page of a run: its graph drawn, tensors and memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeq.graph import ProgramGraph
from edgeq.report.html.graph import draw_graph
from edgeq.report.html.svg import Picture
from edgeq.report.program import memory_sections, tensor_section
from edgeq.report.section import Section
from edgeq.results.records import Run

Graphs = Mapping[str, ProgramGraph]

_CAPTION = (
    "From top to bottom in order of execution. Blue: a delegate, computed by XNNPACK, one box a kernel. "
    "Dashed: a change between FP32 and INT8. Red: left to ExecuTorch's portable kernels; its title says why. "
    "Lines at the right pass other boxes."
)


@dataclass(frozen=True)
class ProgramPart:
    """What a page shows of one program: closed until a reader opens it."""

    title: str
    picture: Picture
    tables: tuple[Section, ...]


def program_part(label: str, graph: ProgramGraph) -> ProgramPart:
    """The drawing and the tables of one program."""
    return ProgramPart(
        f"{label}: the program",
        picture_of(label, graph),
        (tensor_section(graph), *memory_sections(graph)),
    )


def program_parts(runs: Sequence[Run], graphs: Graphs) -> list[ProgramPart]:
    """The programs of `runs` that are in `graphs`, by the SHA-256 of the program, each once."""
    labels = {run.artifact.sha256: f"{run.artifact.name}.{run.artifact.recipe}" for run in runs}
    return [program_part(label, graphs[sha256]) for sha256, label in labels.items() if sha256 in graphs]


def picture_of(label: str, graph: ProgramGraph) -> Picture:
    """The graph as a picture with its description."""
    alt = describe_graph(label, graph)
    return Picture(draw_graph(graph, alt), "Graph", _CAPTION, alt)


def describe_graph(label: str, graph: ProgramGraph) -> str:
    """The graph in words: how much is where."""
    left = [node for node in graph.nodes if node.reason]
    kernels = sum(len(delegate.kernels) for delegate in graph.delegates)
    count = len(graph.delegates)
    said = f"{kernels} kernels in {count} {'delegate' if count == 1 else 'delegates'}"
    if not left:
        return f"Graph of {label}: {said}, nothing left to portable kernels."
    names = ", ".join(dict.fromkeys(node.op for node in left))
    return f"Graph of {label}: {said}, {len(left)} operators left to portable kernels: {names}."


def render_program(label: str, facts: Section, tables: Sequence[Section], graph: ProgramGraph) -> str:
    """The page of `edgeq inspect --html`: `facts`, what else is known, the graph and its tables."""
    from edgeq.report.html.page import render

    return render("program.html", title=label, facts=facts, tables=tables, part=program_part(label, graph))
