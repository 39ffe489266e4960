"""How the error grows through the network, and how the values on the way are spread.

The FP32 program and the simulated one take each sample in turn. Of every layer's output the power of the
signal and of the difference is added up, and the values are counted: memory does not grow with the data.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node

from edgeq.compile.calibration.calibrate import Progress
from edgeq.compile.diagnosis.sensitivity import Part, name_parts
from edgeq.compile.diagnosis.simulate import Rounding, find_observers, is_rounding
from edgeq.compile.diagnosis.study import Study, simulate
from edgeq.compile.diagnosis.tensors import ActivationTally, describe_weight
from edgeq.compile.quantization.layers import constant_of
from edgeq.compile.quantization.quantize import insert_observers
from edgeq.compile.recipe import Override
from edgeq.compile.rewrites.layer import NORMS
from edgeq.compile.silence import silence
from edgeq.compile.threads import one_thread
from edgeq.results.diagnosis.document import LayerError
from edgeq.results.diagnosis.spread import ActivationSpread, WeightSpread

_aten = torch.ops.aten
# What is computed inside of the layer in front of it.
_FUSED = (
    *NORMS, _aten.relu.default, _aten.relu_.default, _aten.relu6.default, _aten.relu6_.default,
    _aten.hardtanh.default, _aten.hardtanh_.default,
)  # fmt: skip


@dataclass(frozen=True)
class Growth:
    """What one pass of all inputs showed.

    Attributes:
        errors: outputs of layers in order of execution.
        activations, weights: how their values are spread.
        suspects: the overrides of the layers, those at which the SQNR drops most first.
    """

    errors: tuple[LayerError, ...]
    activations: tuple[ActivationSpread, ...]
    weights: tuple[WeightSpread, ...]
    suspects: tuple[Override, ...]


@dataclass
class _Point:
    """A layer's output in both programs, by node; several nodes where a module runs several times."""

    module: str
    kind: str
    override: Override | None = None
    nodes: list[tuple[Node, Node]] = field(default_factory=list)
    starts: list[Node] = field(default_factory=list)
    signal: float = 0.0
    noise: float = 0.0

    @property
    def sqnr_db(self) -> float:
        if not self.noise:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal else 0.0


@one_thread()
def measure_growth(study: Study, progress: Progress = lambda *_: None) -> Growth:
    """Run the inputs of the study through the FP32 program and the simulated one, side by side."""
    exact, rounded = study.order.program.module(), simulate(study)
    points = _find_points(study, exact, rounded)
    tallies = _find_tallies(study, exact, rounded, points)
    wanted = {ours: point for point in points for ours, _ in point.nodes}
    theirs = {ours: other for point in points for ours, other in point.nodes}
    with torch.no_grad(), silence():
        for number, leaves in enumerate(study.inputs, start=1):
            sample = study.order.subject.nest_inputs(leaves)
            found = dict(_run(rounded, sample, set(theirs.values())))
            for node, value in _run(exact, sample, {*wanted, *tallies}):
                if node in wanted and theirs[node] in found:
                    _add(wanted[node], value, found[theirs[node]])
                for tally in tallies.get(node, ()):
                    tally.add(value)
            progress("following the error", number, len(study.inputs))
    activations = tuple(dict.fromkeys(tally for each in tallies.values() for tally in each))
    errors = tuple(_describe(points))
    drops = {
        point.override: each.drop_db or 0.0
        for point, each in zip(points, errors, strict=True)
        if point.override
    }
    return Growth(
        errors=errors,
        suspects=tuple(sorted(drops, key=lambda override: -drops[override])),
        activations=tuple(tally.result() for tally in activations),
        weights=tuple(_spread_weights(study)),
    )


def _run(
    module: GraphModule, sample: tuple[Any, ...], wanted: set[Node]
) -> Iterator[tuple[Node, torch.Tensor]]:
    """The values of `wanted` nodes for one sample, in order of execution."""
    run = Interpreter(module)
    run.args_iter = iter(module.graph.process_inputs(*sample))
    for node in module.graph.nodes:
        run.env[node] = run.run_node(node)
        if node in wanted and isinstance(run.env[node], torch.Tensor) and run.env[node].is_floating_point():
            # In-place operators would change it before it is looked at.
            yield node, run.env[node].detach().clone()
        for done in run.user_to_last_uses.get(node, []):
            del run.env[done]


def _add(point: _Point, exact: torch.Tensor, rounded: torch.Tensor) -> None:
    finite = torch.isfinite(exact) & torch.isfinite(rounded)
    signal, other = exact[finite].double(), rounded[finite].double()
    point.signal += float(signal.square().sum())
    point.noise += float((signal - other).square().sum())


def _find_points(study: Study, exact: GraphModule, rounded: GraphModule) -> list[_Point]:
    """The inputs and the outputs of all that is quantized, in order of execution."""
    simulated = {node.name: node for node in rounded.graph.nodes}
    parts = name_parts(study)
    points: dict[object, _Point] = {}
    for node in exact.graph.nodes:
        if node.op == "placeholder":
            other = simulated.get(node.name)
            if other is not None and (behind := _rounded(other, rounded)) is not other:
                points[node] = _Point(f"input {node.target}", "", nodes=[(node, behind)])
        elif node.name in parts:
            part: Part = parts[node.name]
            chain = _chain(node)
            known = [simulated[each.name] for each in chain if each.name in simulated]
            if known:
                point = points.setdefault(part.override, _Point(part.module, part.kind, part.override))
                point.nodes.append((chain[-1], _rounded(known[-1], rounded)))
                point.starts.append(node)
    return list(points.values())


def _chain(node: Node) -> list[Node]:
    """`node`, and the norm and clamp that are computed inside of it."""
    chain = [node]
    while len(chain[-1].users) == 1 and (user := next(iter(chain[-1].users))).target in _FUSED:
        chain.append(user)
    return chain


def _rounded(node: Node, module: GraphModule) -> Node:
    """The rounding of the output of `node`, or `node` where there is none."""
    for user in node.users:
        if user.op == "call_module" and is_rounding(module.get_submodule(str(user.target))):
            return user
    return node


def _describe(points: list[_Point]) -> Iterator[LayerError]:
    """Each point with how much lower its SQNR is than the lowest of those that it is computed from."""
    at = {ours: point for point in points for ours, _ in point.nodes}
    for point in points:
        before = {id(each): each for start in point.starts for each in _above(start, at)}
        before.pop(id(point), None)
        given = min((each.sqnr_db for each in before.values()), default=math.inf)
        own = point.sqnr_db
        is_known = math.isfinite(given) and math.isfinite(own)
        yield LayerError(
            module=point.module,
            kind=point.kind,
            sqnr_db=own if math.isfinite(own) else None,
            drop_db=given - own if is_known else None,
        )


def _above(start: Node, at: dict[Node, _Point]) -> Iterator[_Point]:
    """The nearest points that `start` is computed from."""
    seen: set[Node] = set()
    waiting = list(start.all_input_nodes)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in at:
            yield at[node]
        else:
            waiting.extend(node.all_input_nodes)


def _find_tallies(
    study: Study, exact: GraphModule, rounded: GraphModule, points: list[_Point]
) -> dict[Node, list[ActivationTally]]:
    """What counts the values of each node of the FP32 program that is rounded in the simulated one."""
    ours = {node.name: node for node in exact.graph.nodes}
    makers = {node: point.override.selectors for point in points if point.override for node, _ in point.nodes}
    observed = insert_observers(study.order.program, study.order.plan)
    tallies: dict[Node, list[ActivationTally]] = {}
    made: dict[int, ActivationTally] = {}
    for call, source, observer in find_observers(observed):
        node = ours.get(source.name)
        if source.op == "get_attr" or node is None:
            continue
        user = next(iter(node.users), None)
        # A norm that is folded into its layer is no node of the simulated program.
        if user is not None and user.target in NORMS and len(node.users) == 1:
            node = user
        rounding = rounded.get_submodule(str(call.target))
        if id(rounding) not in made:
            made[id(rounding)] = ActivationTally(node, rounding, observer, makers.get(node, {}))
        if made[id(rounding)] not in tallies.setdefault(node, []):
            tallies[node].append(made[id(rounding)])
    return tallies


def _spread_weights(study: Study) -> Iterator[WeightSpread]:
    """The weights of all layers that are quantized, once each."""
    parts = name_parts(study)
    prepared = insert_observers(study.order.program, study.order.plan)
    seen: set[str] = set()
    for call, source, observer in find_observers(prepared):
        layer = next(iter(call.users), None)
        if source.op != "get_attr" or layer is None or layer.name not in parts or str(source.target) in seen:
            continue
        seen.add(str(source.target))
        weight = constant_of(prepared, source)
        observer(weight)
        part = parts[layer.name]
        yield describe_weight(part.module, part.kind, layer, weight, Rounding(observer))
