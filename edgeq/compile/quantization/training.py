"""Quantization-aware training: the workload's own `train` on a model that rounds as the program will.

The model is exported once more, in training mode and with a free batch, and prepared by PT2E: each quantized
tensor goes through a fake quantization, batch norm stays a layer of its own behind its convolution and is
folded when the training is over. The eager model is left alone; what is trained is a copy.
"""

import copy
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree
from torchao.quantization.pt2e import FakeQuantizeBase, disable_observer, enable_observer
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from edgeq.compile.quantization.layers import Layer, find_layers
from edgeq.compile.quantization.overrides import Plan, apply_overrides, paths_of
from edgeq.compile.quantization.quantizer import ClampAwareQuantizer
from edgeq.compile.recipe import Recipe
from edgeq.compile.rewrites.rewrite import rewrite_program
from edgeq.compile.subject import Subject, seed_everything
from edgeq.compile.threads import one_thread
from edgeq.compile.trace import trace_program
from edgeq.errors import WorkloadError

_aten = torch.ops.aten

# How often the number of batches is announced.
_SECONDS = 5.0


@dataclass(frozen=True)
class Trained:
    """The converted module of a training, and what it was planned by: the program in training mode."""

    module: GraphModule
    layers: list[Layer]
    plan: Plan


def train_quantized(subject: Subject, recipe: Recipe, announce: Callable[[str], None]) -> Trained:
    """Export, prepare, let the workload train, and convert. Repeats to the last bit on one machine.

    Raises:
        WorkloadError: `train` raises, runs nothing through the model, or leaves weights that are
            no numbers.
        RecipeError: an override selects nothing that is quantized.
    """
    traced = _trace_for_training(subject, announce)
    steps = rewrite_program(traced, recipe)
    program = steps[-1].program if steps else traced
    plan = apply_overrides(program, recipe)
    prepared = prepare_training(program, plan)
    _train(subject, prepared, announce)
    prepared.eval()
    converted = convert_pt2e(prepared)
    _give_back_names(program, converted)
    return Trained(converted, find_layers(program), plan)


def prepare_training(program: ExportedProgram, plan: Plan) -> GraphModule:
    """The module of a `program` that was traced in training mode, rounding wherever `plan` asks for it.

    Raises:
        RecipeError: an override selects nothing that is quantized.
    """
    module = program.module(check_guards=False)
    norms = _norm_settings(module)
    prepared = prepare_qat_pt2e(module, ClampAwareQuantizer(plan))
    _restore_norms(prepared, norms)
    _allow_modes(prepared)
    return prepared


def _trace_for_training(subject: Subject, announce: Callable[[str], None]) -> ExportedProgram:
    """A copy of the model in training mode, with a free first dimension where the model allows it."""
    module = copy.deepcopy(subject.module).train()
    twice = pytree.tree_map(lambda leaf: torch.cat([leaf, leaf]) if leaf.dim() else leaf, subject.args)
    free = pytree.tree_map(lambda leaf: {0: Dim.AUTO} if leaf.dim() else None, subject.args)
    try:
        with torch.no_grad():
            program = torch.export.export(module, twice, dynamic_shapes=free, strict=False)
    except Exception:  # noqa: BLE001 - torch raises many kinds; whatever it is, the example's own batch is left
        program = None
    if program is not None and _is_free(program):
        return program
    announce("the model takes no other batch than that of example_inputs(); train() gets it with that")
    return trace_program(module, subject.args, subject)


def _is_free(program: ExportedProgram) -> bool:
    names = set(program.graph_signature.user_inputs)
    values = [node.meta["val"] for node in program.graph.nodes if node.name in names]
    return all(isinstance(value.shape[0], torch.SymInt) for value in values if value.dim())


def _norm_settings(module: GraphModule) -> dict[str, tuple[Any, ...]]:
    """Momentum and epsilon of each batch norm, by the name of its running mean."""
    norms = (node for node in module.graph.nodes if node.target is _aten.batch_norm.default)
    return {node.args[3].target: node.args[6:8] for node in norms if isinstance(node.args[3], Node)}


def _restore_norms(module: GraphModule, settings: dict[str, tuple[Any, ...]]) -> None:
    """Put back the settings that PT2E replaced by 0.1 and 1e-5 where it joined convolution and batch norm."""
    for node in module.graph.nodes:
        if node.target is not _aten.batch_norm.default or node.args[3].target not in settings:
            continue
        momentum, epsilon = settings[node.args[3].target]
        node.args = (*node.args[:6], momentum, epsilon, *node.args[8:])
        for user in node.args[4].users:
            if user.target is _aten.add.Tensor:
                user.args = (user.args[0], epsilon)
    module.recompile()


def _allow_modes(module: GraphModule) -> None:
    """Let `train()` and `eval()` switch dropout and batch norm as for other modules, and the observers."""
    switches = list(_switches(module))

    def train(self: GraphModule, mode: bool = True) -> GraphModule:
        for node, index, value in switches:
            off = 0.0 if isinstance(value, float) else False
            node.args = (*node.args[:index], value if mode else off, *node.args[index + 1 :])
        self.recompile()
        self.apply(enable_observer if mode else disable_observer)
        self.training = mode
        return self

    module.train = types.MethodType(train, module)
    module.eval = types.MethodType(lambda self: self.train(False), module)


def _switches(module: GraphModule) -> Iterator[tuple[Node, int, object]]:
    """Each argument of a call that only training has: node, position, value."""
    for node in module.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        for index, argument in enumerate(schema.arguments if schema is not None else ()):
            if argument.name in ("train", "training", "dropout_p") and index < len(node.args):
                yield node, index, node.args[index]


def _train(subject: Subject, prepared: GraphModule, announce: Callable[[str], None]) -> None:
    train, name = subject.workload.train, subject.workload.name
    assert train is not None  # noqa: S101 - asked for before the model is opened
    batches, told = 0, time.monotonic()

    def count(*_: object) -> None:
        nonlocal batches, told
        batches += 1
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            announce(f"{name}: {batches} batches of training")

    hook = prepared.register_forward_pre_hook(count)
    try:
        with one_thread(), torch.enable_grad():
            seed_everything()
            prepared.train()
            train(prepared)
    except Exception:
        # The rounding refuses NaN in words of its own.
        _require_numbers(prepared, name)
        raise
    finally:
        hook.remove()
    announce(f"{name}: trained on {batches} batches")
    _require_trained(prepared, name)


def _require_trained(prepared: GraphModule, name: str) -> None:
    fakes = [module for module in prepared.modules() if isinstance(module, FakeQuantizeBase)]
    if not all(torch.isfinite(fake.activation_post_process.min_val).all() for fake in fakes):
        raise WorkloadError(
            f"{name}: train() ran nothing through the model, so no range is known",
            hint="call the model that it is given on batches of training data, and step an optimizer",
        )
    _require_numbers(prepared, name)


def _require_numbers(prepared: GraphModule, name: str) -> None:
    if not all(torch.isfinite(weight).all() for weight in prepared.parameters()):
        raise WorkloadError(
            f"{name}: train() left weights that are NaN or infinite", hint="lower the learning rate"
        )


def _give_back_names(program: ExportedProgram, converted: GraphModule) -> None:
    """Call the layers as before: PT2E wrote convolutions with batch norm anew, in the same modules."""
    originals = [node for node in program.graph.nodes if node.op == "call_function"]
    known = {node.name for node in originals}
    new: dict[tuple[str, ...], list[Node]] = defaultdict(list)
    for node in converted.graph.nodes:
        if node.op == "call_function" and node.name not in known:
            new[_place(node)].append(node)
    kept = {node.name for node in converted.graph.nodes}
    for node in originals:
        if node.name not in kept and new[_place(node)]:
            new[_place(node)].pop(0).name = node.name


def _place(node: Node) -> tuple[str, ...]:
    return (
        str(getattr(node.target, "_schema", node.target)).partition("(")[0].partition(".")[0],
        *paths_of(node),
    )
