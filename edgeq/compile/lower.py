"""Lowers an exported program for XNNPACK and says what was delegated and, for each rest, why it was not."""

import contextlib
import logging
import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from executorch.exir.backend.canonical_partitioners.config_partitioner import format_target_name
from executorch.exir.backend.utils import WhyNoPartition
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgeq.artifact import TensorSpec
from edgeq.compile.layout import describe_borders
from edgeq.compile.partition import make_partitioner
from edgeq.compile.subject import Subject
from edgeq.compile.trace import refusal_of
from edgeq.results.records import Delegation, LeftOut

_PARTITIONER_LOGGER = "executorch.backends.xnnpack.partition"
_DELEGATE = "executorch_call_delegate"


@dataclass(frozen=True)
class Lowered:
    """A finished program: the `.pte` bytes, what was delegated, and the graphs to verify it by.

    `inputs` and `outputs` are the subject's, with how they lie in memory.
    """

    program: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    delegation: Delegation
    outer: GraphModule
    delegates: tuple[ExportedProgram, ...]


def lower_program(program: ExportedProgram, subject: Subject) -> Lowered:
    """Lower `program` with the XNNPACK partitioner and serialize it.

    Raises:
        ExportError: ExecuTorch refused; its own message, shortened, with the user's source line where known.
    """
    try:
        with _partitioner_reasons() as reasons:
            edge: EdgeProgramManager = to_edge_transform_and_lower(program, partitioner=[make_partitioner()])
        outer = edge.exported_program().graph_module
        delegates = tuple(
            getattr(outer, node.target).original_module
            for node in outer.graph.nodes
            if _is_delegate(node, outer)
        )
        delegation = _describe(outer, delegates, reasons)
        inputs, outputs = describe_borders(outer, subject)
        data = bytes(edge.to_executorch().buffer)
    except Exception as error:
        what = f"ExecuTorch could not lower {subject.workload.name}"
        raise refusal_of(what, error, subject, _stack_of_named(program, str(error))) from error
    return Lowered(data, inputs, outputs, delegation, outer, delegates)


def _is_delegate(node: Node, outer: GraphModule) -> bool:
    return node.op == "get_attr" and hasattr(getattr(outer, str(node.target), None), "original_module")


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


def _describe(
    outer: GraphModule, delegates: tuple[ExportedProgram, ...], reasons: dict[str, str]
) -> Delegation:
    delegated = sum(len(_calls(delegate.graph_module)) for delegate in delegates)
    rest = _calls(outer)
    patterns = {config().target_name for config in ALL_PARTITIONER_CONFIGS}
    counts = Counter((_op_name(node), _reason(node, reasons, patterns)) for node in rest)
    left_out = tuple(LeftOut(op=op, count=count, reason=reason) for (op, reason), count in counts.items())
    return Delegation(delegated=delegated, total=delegated + len(rest), left_out=left_out)


def _op_name(node: Node) -> str:
    """E.g. `aten.mean.dim`."""
    target = getattr(node.target, "_op", node.target)
    return str(target).removeprefix("torch.ops.")


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
