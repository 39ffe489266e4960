"""Lowers an exported program for XNNPACK and says what was delegated and, for each rest, why it was not."""

import contextlib
import logging
import operator
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from executorch.exir.backend.canonical_partitioners.config_partitioner import format_target_name
from executorch.exir.backend.utils import WhyNoPartition
from msgspec.structs import replace
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgeq.artifact import TensorSpec
from edgeq.compile.lowering.graph import describe_graph, op_name
from edgeq.compile.lowering.memory_format import describe_borders
from edgeq.compile.lowering.partition import make_partitioner
from edgeq.compile.lowering.planning import describe_plan
from edgeq.compile.lowering.remedies import find_remedy
from edgeq.compile.lowering.tensors import Constants
from edgeq.compile.subject import Subject
from edgeq.compile.trace import refusal_of
from edgeq.errors import ExportError
from edgeq.graph import ProgramGraph
from edgeq.results.records import Delegation, LeftOut

_PARTITIONER_LOGGER = "executorch.backends.xnnpack.partition"
_DELEGATE = "executorch_call_delegate"


@dataclass(frozen=True)
class Lowered:
    """A finished program: the `.pte` bytes, its record, what was delegated, and the delegates' own graphs.

    `inputs` and `outputs` are the subject's, with how they lie in memory.
    """

    program: bytes
    graph: ProgramGraph
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    delegation: Delegation
    delegates: tuple[ExportedProgram, ...]


def lower_program(program: ExportedProgram, subject: Subject, rewrites: Collection[str]) -> Lowered:
    """Lower `program` with the XNNPACK partitioner and serialize it.

    `rewrites` are the names in the recipe: one that is not among them may be the remedy for what is left out.

    Raises:
        ExportError: ExecuTorch refused; its own message, shortened, with the user's source line where known.
    """
    try:
        with _partitioner_reasons() as reasons:
            edge: EdgeProgramManager = to_edge_transform_and_lower(program, partitioner=[make_partitioner()])
        outer = edge.exported_program()
        delegates = {
            node.name: (held.original_module, bytes(held.processed_bytes))
            for node in outer.graph.nodes
            if node.op == "get_attr" and (held := _delegate_of(node, outer.graph_module)) is not None
        }
        graph = describe_graph(outer, delegates, _explain(reasons, rewrites, Constants(outer)))
        inputs, outputs = describe_borders(outer.graph_module, subject)
        ready = edge.to_executorch()
        data = bytes(ready.buffer)
        graph = replace(graph, memory=describe_plan(ready.exported_program().graph_module))
    except ExportError:
        raise
    except Exception as error:
        what = f"ExecuTorch could not lower {subject.workload.name}"
        raise refusal_of(what, error, subject, _stack_of_named(program, str(error))) from error
    programs = tuple(delegate for delegate, _ in delegates.values())
    return Lowered(data, graph, inputs, outputs, _describe(graph, programs), programs)


def _delegate_of(node: Node, outer: GraphModule) -> Any:  # noqa: ANN401 - ExecuTorch's class, untyped
    held = getattr(outer, str(node.target), None)
    return held if hasattr(held, "original_module") else None


class _Reasons(logging.Handler):
    """Collects the partitioner's own reasons, which it logs as `WhyNoPartition` objects, by node name."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        why = record.msg
        if isinstance(why, WhyNoPartition) and why.node is not None:
            self.found[why.node.name] = why.reason.strip().rstrip(".")


@contextlib.contextmanager
def _partitioner_reasons() -> Iterator[dict[str, str]]:
    logger = logging.getLogger(_PARTITIONER_LOGGER)
    level, propagate = logger.level, logger.propagate
    handler = _Reasons()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _calls(graph_module: GraphModule) -> list[Node]:
    """The nodes that compute: calls, without the unpacking of tuples and the hand-over to a delegate."""
    return [
        node
        for node in graph_module.graph.nodes
        if node.op == "call_function"
        and node.target is not operator.getitem
        and not node.name.startswith(_DELEGATE)
    ]


def _describe(graph: ProgramGraph, delegates: tuple[ExportedProgram, ...]) -> Delegation:
    delegated = sum(len(_calls(delegate.graph_module)) for delegate in delegates)
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for node in graph.nodes:
        if node.reason:
            kinds.setdefault((node.op, node.reason, node.remedy), []).append(node.module)
    left_out = tuple(
        LeftOut(
            op=op, count=len(modules), reason=reason, remedy=remedy, modules=tuple(dict.fromkeys(modules))
        )
        for (op, reason, remedy), modules in kinds.items()
    )
    macs = [(node.macs, node.delegate is not None) for node in graph.nodes]
    return Delegation(
        delegated=delegated,
        total=delegated + sum(left.count for left in left_out),
        left_out=left_out,
        macs=(sum(count for count, inside in macs if inside), sum(count for count, _ in macs)),
    )


def _explain(
    reasons: dict[str, str], rewrites: Collection[str], constants: Constants
) -> Callable[[Node], tuple[str, str]]:
    patterns = {config().target_name for config in ALL_PARTITIONER_CONFIGS}
    return lambda node: (
        _reason(node, reasons, patterns),
        find_remedy(node, op_name(node), rewrites, constants),
    )


def _reason(node: Node, reasons: dict[str, str], patterns: set[str]) -> str:
    if node.name in reasons:
        return reasons[node.name]
    name = format_target_name(getattr(node.target, "__name__", str(node.target)))
    if name not in patterns:
        return "XNNPACK's partitioner has no pattern for this operator"
    values = [n.meta.get("val") for n in (node, *node.all_input_nodes)]
    kinds = {v.dtype for v in values if isinstance(v, torch.Tensor)}
    other = sorted(str(k).removeprefix("torch.") for k in kinds if not k.is_floating_point)
    if other:
        return f"it works on {', '.join(other)}, XNNPACK on floating point"
    return "XNNPACK's partitioner did not take it, and gave no reason"


def _stack_of_named(program: ExportedProgram, message: str) -> str:
    """The Python stack of the first operator whose name the message holds, or nothing."""
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is not None and schema.name.rpartition("::")[2] in message:
            return str(node.meta.get("stack_trace") or "")
    return ""
