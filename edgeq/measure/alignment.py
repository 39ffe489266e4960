"""Which node of the program each traced kernel computes.

XNNPACK reports its kernels by name and in order, and the artifact's graph has the kernels that each delegate
was defined with. XNNPACK changes that list in three ways (version of ExecuTorch 1.5):

- An elementwise function of an INT8 tensor whose result is quantized is one kernel, a table of 256 codes, in
  the place of the conversion.
- A sum, product or the like with a bound on its result is followed by a clamp.
- A conversion whose scale is taken at each inference is done by the layer that reads it.

With these the two lists are the same, kernel by kernel, or the modules are not told. Operators that are left
to portable kernels run in the order of the graph, each under its own name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.graph import Delegate, Kernel, Node, ProgramGraph
from edgeq.measure.etdump import Event
from edgeq.results.kernels import ADDED, WEIGHTED

NO_GRAPH = "no graph of the program is at hand: it was made elsewhere, or by an older edgeq"
_DELEGATE, _NATIVE = "DELEGATE_CALL", "native_call_"

# What XNNPACK calls a kernel where that is not its kind: letters only, the start of the name is enough.
_NAMES = {
    "Conv2d": ("convolution", "fullyconnected"),
    "DepthwiseConv2d": ("convolution",),
    "ConvTranspose2d": ("deconvolution",),
    "GlobalAvgPooling2d": ("mean", "globalaveragepooling"),
    "AvgPooling2d": ("averagepooling",),
    "MaxPooling2d": ("maxpooling",),
    "StaticTranspose": ("transpose",),
    "StaticReshape": ("staticreshape", "copy"),
    "StaticSlice": ("staticslice", "slice"),
    "StaticConstantPad": ("constantpad",),
    "StaticResizeBilinear2D": ("resizebilinear",),
    "Div": ("divide",),
    "Square": ("square", "multiply"),
    **{f"Concatenate{count}": ("concatenate", "copy") for count in range(2, 6)},
}
_WEIGHTED = ("Conv2d", "DepthwiseConv2d", "ConvTranspose2d", "FullyConnected")
_BOUNDED = ("Add", "Subtract", "Multiply", "Div", "Maximum", "Minimum")
_TABLES = frozenset(
    {"Hardswish", "Sigmoid", "Tanh", "LeakyReLU", "Gelu", "ELU", "Abs", "Negate", "Square", "SquareRoot"}
    | {"Exp", "Log", "Sin", "Cos", "Floor", "Ceiling", "ReciprocalSquareRoot", "Clamp"}
)
# XNNPACK has no name for some of its tables.
_NAMELESS = "invalidunaryop"


@dataclass(frozen=True)
class Place:
    """The node of an event; or why it is none."""

    node: Node | None
    unknown: str = ""


def assign_nodes(events: Sequence[Event], graph: ProgramGraph | None) -> list[Place]:
    """The place of each event of one inference, in order; events that are no kernels have an empty one."""
    if graph is None:
        return [Place(None, NO_GRAPH)] * len(events)
    places = [Place(None)] * len(events)
    parts = _split(events)
    if len(parts) != len(graph.delegates):
        why = f"{len(parts)} delegates ran, and the graph has {len(graph.delegates)}"
        found = {index: Place(None, why) for part in parts for index in part}
    else:
        found = {}
        for part, delegate in zip(parts, graph.delegates, strict=True):
            names = [str(events[index].kernel) for index in part]
            found |= dict(zip(part, _align(names, delegate, graph.nodes), strict=True))
    for index, place in (found | _assign_portable(events, graph)).items():
        places[index] = place
    return places


def _split(events: Sequence[Event]) -> list[list[int]]:
    """The kernels of each delegate; the event of the call ends them."""
    parts: list[list[int]] = []
    open_part: list[int] = []
    for index, event in enumerate(events):
        if event.kernel is not None:
            open_part.append(index)
        elif event.name == _DELEGATE:
            parts.append(open_part)
            open_part = []
    return parts


def _align(names: Sequence[str], delegate: Delegate, nodes: Sequence[Node]) -> list[Place]:
    """The place of each kernel of one delegate."""
    expected = _with_tables(delegate.kernels, nodes)
    found: list[Kernel] = []
    for index, name in enumerate(names):
        while expected and _is_dynamic(expected[0], nodes) and not _is(name, expected[0]):
            del expected[0]
        previous = found[-1] if found else None
        wanted = expected[0] if expected else None
        if wanted is not None and _is(name, wanted):
            found.append(expected.pop(0))
        elif _letters(name).startswith("clamp") and previous is not None and previous.kind in _BOUNDED:
            found.append(previous)
        else:
            what = f"where the graph has {wanted.kind}" if wanted is not None else "beyond those of the graph"
            return _weighted_only(names, delegate, nodes, f"kernel {index + 1} is {name}, {what}")
    expected = [kernel for kernel in expected if not _is_dynamic(kernel, nodes)]
    if expected:
        why = f"{len(names)} kernels ran, and {len(expected)} of the graph are missing"
        return _weighted_only(names, delegate, nodes, why)
    return [_place(kernel, nodes) for kernel in found]


def _place(kernel: Kernel, nodes: Sequence[Node]) -> Place:
    return Place(None, ADDED) if kernel.node is None else Place(nodes[kernel.node])


def _weighted_only(names: Sequence[str], delegate: Delegate, nodes: Sequence[Node], why: str) -> list[Place]:
    """The places of the kernels with weights, when all are there: XNNPACK neither joins nor adds those."""
    weighted = [kernel for kernel in delegate.kernels if kernel.kind in _WEIGHTED]
    indices = [index for index, name in enumerate(names) if name.startswith(WEIGHTED)]
    places = [Place(None, why)] * len(names)
    if len(weighted) == len(indices) and all(
        _is(names[index], kernel) for index, kernel in zip(indices, weighted, strict=True)
    ):
        for index, kernel in zip(indices, weighted, strict=True):
            places[index] = _place(kernel, nodes)
    return places


def _with_tables(kernels: Sequence[Kernel], nodes: Sequence[Node]) -> list[Kernel]:
    """`kernels` with each table of an INT8 function in the place of the conversion behind it."""
    functions = {
        kernel.node: kernel for kernel in kernels if kernel.kind in _TABLES and kernel.node is not None
    }
    joined: set[int] = set()
    changed: list[Kernel] = []
    for kernel in kernels:
        source = nodes[kernel.node].inputs[:1] if kernel.node is not None else ()
        if (
            kernel.kind == "Convert"
            and kernel.node is not None
            and nodes[kernel.node].kind == "quantize"
            and source
            and source[0] in functions
            and all(nodes[each].kind == "dequantize" for each in nodes[source[0]].inputs)
        ):
            joined.add(source[0])
            changed.append(functions[source[0]])
        else:
            changed.append(kernel)
    return [
        kernel
        for kernel, before in zip(changed, kernels, strict=True)
        if not (before.kind in _TABLES and before.node in joined)
    ]


def _is_dynamic(kernel: Kernel, nodes: Sequence[Node]) -> bool:
    """Whether it quantizes with a scale that is taken at each inference."""
    if kernel.kind != "Convert" or kernel.node is None:
        return False
    node = nodes[kernel.node]
    return any("choose_qparams" in each.op for each in (node, *(nodes[source] for source in node.inputs)))


def _is(name: str, kernel: Kernel) -> bool:
    letters = _letters(name)
    if kernel.kind in _TABLES and letters.startswith(_NAMELESS):
        return True
    return letters.startswith(_NAMES.get(kernel.kind, (_letters(kernel.kind),)))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _assign_portable(events: Sequence[Event], graph: ProgramGraph) -> dict[int, Place]:
    """The places of the portable kernels, by name: as many of a name must have run as the graph has."""
    ran: dict[str, list[int]] = {}
    for index, event in enumerate(events):
        if event.name is not None and event.name.startswith(_NATIVE):
            ran.setdefault(event.name.removeprefix(_NATIVE).partition(".")[0], []).append(index)
    known: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.delegate is None and node.kind not in ("input", "output"):
            known.setdefault(node.op.partition(".")[2].partition(".")[0], []).append(node)
    found: dict[int, Place] = {}
    for name, indices in ran.items():
        nodes = known.get(name, [])
        why = f"{len(indices)} x {name} ran, and the graph has {len(nodes)}"
        places = (
            [Place(node) for node in nodes]
            if len(nodes) == len(indices)
            else [Place(None, why)] * len(indices)
        )
        found |= dict(zip(indices, places, strict=True))
    return found
