"""The lowered program as a record: its operators, tensors, delegates and planned memory; no torch.

`edgeq.compile` writes it into the artifact as `graph.json`. Weights are tensors and not nodes. Nodes are in
order of execution, and refer to each other and to delegates by index.
"""

from typing import Literal

import msgspec

from edgeq.results.records import Record

GRAPH_SCHEMA = 1

Kind = Literal["input", "operator", "quantize", "dequantize", "output"]


class Node(Record, omit_defaults=True, frozen=True, kw_only=True):
    """One call, input or output of the program.

    Attributes:
        op: e.g. `aten.convolution.default`; the name of an input or output.
        name: of the node in the lowered graph.
        module: the user's module that it is computed in; empty for the root.
        dtype, shape: of what it gives; of the first of several.
        inputs: the nodes that it reads, weights aside.
        delegate: the delegate that it is in, None when it is left to portable kernels.
        macs: multiply-accumulates of one inference.
        reason, remedy: why it is in no delegate, and what would change that, where that is known.
    """

    kind: Kind
    op: str
    name: str
    module: str = ""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()
    delegate: int | None = None
    macs: int = 0
    reason: str = ""
    remedy: str = ""


class Kernel(Record, omit_defaults=True, frozen=True, kw_only=True):
    """One operator of XNNPACK that a delegate is made of, in order of definition.

    Attributes:
        kind: XNNPACK's name of it without the prefix, e.g. `Conv2d`.
        node: the node that it computes; None for what ExecuTorch adds, such as a transpose at the border.
    """

    kind: str
    node: int | None = None


class Delegate(Record, frozen=True, kw_only=True):
    """A part of the graph that one delegate computes."""

    name: str
    backend: str
    kernels: tuple[Kernel, ...]


class Tensor(Record, omit_defaults=True, frozen=True, kw_only=True):
    """A tensor of the program: an activation, or a weight.

    Attributes:
        module: the user's module that gives or owns it.
        dtype: as it is stored or computed: `int8` when it is quantized.
        scales, zero_points: `real = scale * (q - zero_point)`: none, one, or one for each channel or group.
        axis: of the channels.
        group: how many values along the last axis share a scale; 0 when they are no groups.
        low, high: the real values of the least and the greatest code; None when they are not known ahead.
        dynamic: its scale is taken at each inference.
    """

    name: str
    role: Literal["activation", "weight"]
    module: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int | None = None
    group: int = 0
    low: float | None = None
    high: float | None = None
    dynamic: bool = False


class Planned(Record, frozen=True, kw_only=True):
    """A tensor in an arena: alive from the step `first` to the step `last`, at `offset`."""

    name: str
    arena: int
    offset: int
    bytes: int
    first: int
    last: int


class MemoryPlan(Record, frozen=True, kw_only=True):
    """What ExecuTorch plans ahead. What a delegate takes inside is not in it.

    Attributes:
        arenas: bytes of each.
        steps: names of the calls that lifetimes count in.
    """

    arenas: tuple[int, ...]
    steps: tuple[str, ...]
    tensors: tuple[Planned, ...]


class ProgramGraph(Record, frozen=True, kw_only=True):
    """The whole program."""

    schema: int = GRAPH_SCHEMA
    nodes: tuple[Node, ...]
    delegates: tuple[Delegate, ...]
    tensors: tuple[Tensor, ...]
    memory: MemoryPlan = MemoryPlan(arenas=(), steps=(), tensors=())


def encode_graph(graph: ProgramGraph) -> bytes:
    """The document, the same bytes for the same graph."""
    return msgspec.json.encode(graph) + b"\n"


def decode_graph(data: bytes) -> ProgramGraph:
    """Read a document.

    Raises:
        msgspec.DecodeError: it is none, of another schema, or refers to something that is not in it.
    """
    graph = msgspec.json.decode(data, type=ProgramGraph)
    if graph.schema != GRAPH_SCHEMA:
        raise msgspec.ValidationError(f"schema {graph.schema}; this edgeq reads {GRAPH_SCHEMA}")
    places = range(len(graph.nodes))
    used = [
        *(source for node in graph.nodes for source in node.inputs),
        *(k.node for delegate in graph.delegates for k in delegate.kernels if k.node is not None),
    ]
    delegates = {node.delegate for node in graph.nodes if node.delegate is not None}
    steps = {end for tensor in graph.memory.tensors for end in (tensor.first, tensor.last)}
    if (
        any(place not in places for place in used)
        or any(place not in range(len(graph.delegates)) for place in delegates)
        or any(step not in range(len(graph.memory.steps)) for step in steps)
    ):
        raise msgspec.ValidationError("it refers to something that is not in it")
    return graph
