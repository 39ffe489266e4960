"""Writes the lowered program down as the torch-free record of `edgeq.graph`."""

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from msgspec.structs import replace
from torch.export import ExportedProgram
from torch.fx import Node as FxNode

from edgeq.compile.lowering.kernels import list_kernels
from edgeq.compile.lowering.tensors import Constants, describe_activation, describe_weight, is_conversion
from edgeq.compile.quantization.layers import count_macs
from edgeq.compile.quantization.overrides import paths_of
from edgeq.graph import Delegate, Kernel, Kind, Node, ProgramGraph, Tensor

# Why a node is in no delegate, and the remedy.
Explain = Callable[[FxNode], tuple[str, str]]

# Which operators a kernel of XNNPACK may compute, where its name and theirs are not alike.
_COMPUTES = {
    "Conv2d": "convolution",
    "DepthwiseConv2d": "convolution",
    "ConvTranspose2d": "convolution",
    "FullyConnected": "linear mm",
    "GlobalAvgPooling2d": "mean avg_pool",
    "AvgPooling2d": "avg_pool",
    "MaxPooling2d": "max_pool",
    "Clamp": "hardtanh relu clamp",
    "StaticTranspose": "permute transpose",
    "StaticReshape": "view reshape squeeze unsqueeze flatten",
    "StaticSlice": "slice",
    "StaticConstantPad": "pad",
    "StaticResizeBilinear2D": "upsample",
    "BatchMatrixMultiply": "bmm matmul",
    "Multiply": "mul",
    "Subtract": "sub",
    "Divide": "div",
    "Square": "pow square",
    "SquareRoot": "sqrt",
    "ReciprocalSquareRoot": "rsqrt",
    "Negate": "neg",
    "Ceiling": "ceil",
    "LeakyReLU": "leaky_relu",
    "Copy": "clone to_copy",
    **{f"Concatenate{count}": "cat" for count in range(2, 6)},
}


# A delegate's own graph, and what was serialized for it.
Delegated = tuple[ExportedProgram, bytes]


def describe_graph(
    outer: ExportedProgram, delegates: Mapping[str, Delegated], explain: Explain
) -> ProgramGraph:
    """The record of a program with `delegates`, by the names of the nodes that hold them.

    `to_executorch` changes the program, so it comes after this; the memory plan is known only then.

    Raises:
        ExportError: what was serialized for a delegate cannot be read.
    """
    scribe = _Scribe(outer, delegates, explain)
    scribe.write()
    return ProgramGraph(
        nodes=tuple(scribe.nodes),
        delegates=tuple(scribe.delegates),
        tensors=(*scribe.activations(), *scribe.weights.values()),
    )


@dataclass
class _Scribe:
    """Walks the program and its delegates in order of execution."""

    outer: ExportedProgram
    delegated: Mapping[str, Delegated]
    explain: Explain
    nodes: list[Node] = field(default_factory=list)
    sources: list[FxNode] = field(default_factory=list)
    delegates: list[Delegate] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    # What a node gives: a place in `nodes` for each of its results; none for weights and delegates.
    places: dict[FxNode, tuple[int, ...]] = field(default_factory=dict)

    def write(self) -> None:
        constants = Constants(self.outer)
        for node in self.outer.graph.nodes:
            if node.op == "placeholder" and constants.name_of(node) is None:
                self._add(node, "input", None)
            elif node.op == "output":
                for result in _listed(node.args):
                    for place in self.places.get(result, ()):
                        self._add(result, "output", None, (place,))
            elif node.op == "call_function" and _name_of(node.args[:1]) in self.delegated:
                self._enter(node)
            elif node.op == "call_function":
                self._call(node, None, constants)

    def _enter(self, call: FxNode) -> None:
        """The nodes of a delegate, in place of the call of it."""
        name = _name_of(call.args[:1])
        program, payload = self.delegated[name]
        constants, index, first = Constants(program), len(self.delegates), len(self.nodes)
        given = iter(call.args[1:])
        for node in program.graph.nodes:
            if node.op == "placeholder" and constants.name_of(node) is None:
                source = next(given)
                self.places[node] = self.places.get(source, ()) if isinstance(source, FxNode) else ()
            elif node.op == "call_function":
                self._call(node, index, constants)
            elif node.op == "output":
                results = [self.places.get(result, ()) for result in _listed(node.args)]
                self.places[call] = tuple(place for each in results for place in each[:1])
        kernels = _locate(list_kernels(payload), self.sources, range(first, len(self.nodes)), self.nodes)
        kernels = _leave_in_fp32(kernels, self.nodes, self.places[call])
        self.delegates.append(Delegate(name=name, backend="XNNPACK", kernels=kernels))

    def _call(self, node: FxNode, delegate: int | None, constants: Constants) -> None:
        if node.target is operator.getitem:
            source, index = node.args
            places = self.places.get(source, ()) if isinstance(source, FxNode) else ()
            # Of an operator with several results there is one node; of a delegate, one for each.
            whole = len(places) == 1
            self.places[node] = places if whole else places[int(str(index)) :][:1]
            return
        inputs = [place for each in node.all_input_nodes for place in self.places.get(each, ())]
        if delegate is not None and node.all_input_nodes and not inputs:
            return  # of weights alone: it is a part of what uses it
        for weight in node.all_input_nodes:
            if not self.places.get(weight) and (found := describe_weight(weight, node, constants)):
                self._keep_weight(*found)
        self._add(node, is_conversion(node) or "operator", delegate, tuple(dict.fromkeys(inputs)))

    def _add(self, node: FxNode, kind: Kind, delegate: int | None, inputs: tuple[int, ...] = ()) -> None:
        value = _first(node.meta.get("val"))
        left = kind not in ("input", "output") and delegate is None
        reason, remedy = self.explain(node) if left else ("", "")
        if kind != "output":
            self.places[node] = (len(self.nodes),)
        self.sources.append(node)
        self.nodes.append(
            Node(
                kind=kind,
                op=node.name if kind in ("input", "output") else op_name(node),
                name=node.name,
                module=_module_of(node, [self.nodes[place] for place in inputs]),
                dtype=str(value.dtype).removeprefix("torch.") if isinstance(value, torch.Tensor) else "",
                shape=tuple(map(int, value.shape)) if isinstance(value, torch.Tensor) else (),
                inputs=inputs,
                delegate=delegate,
                macs=count_macs(node) if kind == "operator" else 0,
                reason=reason,
                remedy=remedy,
            )
        )

    def _keep_weight(self, key: str, weight: Tensor) -> None:
        """Keep a weight once, under a name of its own: a recurrent layer has several of one module."""
        if key not in self.weights:
            names = {known.name for known in self.weights.values()}
            numbered = (f"{weight.name}_{count}" for count in itertools.count(1))
            name = next(each for each in itertools.chain([weight.name], numbered) if each not in names)
            self.weights[key] = replace(weight, name=name)

    def activations(self) -> list[Tensor]:
        """The tensors between the kernels, as they are stored: those that a kernel keeps inside are none."""
        readers: dict[int, list[int]] = {}
        for place, node in enumerate(self.nodes):
            for source in node.inputs:
                readers.setdefault(source, []).append(place)
        computed = {kernel.node for delegate in self.delegates for kernel in delegate.kernels}
        found = []
        for place, node in enumerate(self.nodes):
            kinds = {self.nodes[reader].kind for reader in readers.get(place, [])}
            if node.kind in ("output", "dequantize") or kinds == {"quantize"}:
                continue
            inside = _only(readers.get(place, []))
            if inside is not None and node.delegate is not None and place in computed:
                follower = self.nodes[inside]
                if follower.kind == "operator" and inside not in computed and follower.delegate is not None:
                    continue  # the kernel of this node computes the clamp behind it too
            if "choose_qparams" in node.op:
                continue  # gives the scale of a tensor, and is none
            of = self.nodes[node.inputs[0]] if node.kind == "quantize" else node
            found.append(describe_activation(self.sources[place], of))
        return found


def op_name(node: FxNode) -> str:
    """E.g. `aten.mean.dim`."""
    target = getattr(node.target, "_op", node.target)
    return str(target).removeprefix("torch.ops.")


def _locate(
    kernels: Iterable[tuple[str, int | None]], sources: list[FxNode], places: range, nodes: list[Node]
) -> tuple[Kernel, ...]:
    """The node of each kernel, by debug handle; operators that were one before lowering share a handle."""
    by_handle: dict[int, list[int]] = {}
    for place in places:
        handle = sources[place].meta.get("debug_handle")
        if handle is not None:
            by_handle.setdefault(int(handle), []).append(place)
    used: set[int] = set()
    found = []
    for kind, handle in kernels:
        candidates = by_handle.get(handle, []) if handle is not None else []
        fitting = [place for place in candidates if _computes(kind, nodes[place]) and place not in used]
        fitting = fitting or [place for place in candidates if nodes[place].kind == "operator"] or candidates
        used.update(fitting[:1])
        found.append(Kernel(kind=kind, node=fitting[0] if fitting else None))
    return tuple(found)


def _leave_in_fp32(
    kernels: tuple[Kernel, ...], nodes: list[Node], results: tuple[int, ...]
) -> tuple[Kernel, ...]:
    """`kernels` with the conversions at the end of a delegate on the node that they compute.

    A quantize and the dequantize behind it have one debug handle. A result in FP32 has a conversion of its
    own; where there is only one for both, the kernel before it gives the quantized tensor.
    """
    found = {kernel.node for kernel in kernels}
    ends = {
        nodes[place].inputs[0]: place
        for place in results
        if nodes[place].kind == "dequantize" and place not in found
    }
    return tuple(
        replace(kernel, node=ends[kernel.node])
        if kernel.kind == "Convert" and kernel.node is not None and kernel.node in ends
        else kernel
        for kernel in kernels
    )


def _computes(kind: str, node: Node) -> bool:
    if kind == "Convert":
        return node.kind != "operator" or "to_copy" in node.op
    words = _COMPUTES.get(kind, kind.lower()).split()
    return node.kind == "operator" and any(word in node.op for word in words)


def _module_of(node: FxNode, inputs: list[Node]) -> str:
    """The innermost of the user's modules; of a conversion that of what it converts."""
    if is_conversion(node) and inputs:
        return inputs[0].module
    paths = paths_of(node)
    return paths[-1] if paths else ""


def _name_of(arguments: Sequence[object]) -> str:
    """Name of the first node among the arguments; empty for none."""
    return next((each.name for each in arguments if isinstance(each, FxNode)), "")


def _listed(arguments: object) -> list[FxNode]:
    """The nodes among the arguments of an output, in order."""
    if isinstance(arguments, FxNode):
        return [arguments]
    if isinstance(arguments, list | tuple):
        return [node for each in arguments for node in _listed(each)]
    return []


def _first(value: object) -> object:
    return value[0] if isinstance(value, list | tuple) and value else value


def _only(places: list[int]) -> int | None:
    return places[0] if len(places) == 1 else None
