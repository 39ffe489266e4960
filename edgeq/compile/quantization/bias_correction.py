"""Empirical bias correction: each quantized layer's mean output is moved to where it is in FP32.

Rounding of weights and activations shifts a layer's output, channel by channel, and the shifts add up through
the network. The expected shift over calibration samples is subtracted from the bias, layer by layer in order
of execution, each seeing what the corrected ones before it give (Nagel et al., "Data-Free Quantization
Through Weight Equalization and Bias Correction", 2019, section 4.2, and appendix D for the empirical form).
"""

import itertools
from collections.abc import Iterable
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter, Node

from edgeq.compile.quantization.overrides import Plan
from edgeq.compile.rewrites.layer import NORMS

# All of them are in memory at once, at the place in the network that is being corrected.
CORRECTION_SAMPLES = 16


def correct_biases(
    converted: GraphModule, program: ExportedProgram, plan: Plan, samples: Iterable[tuple[Any, ...]]
) -> int:
    """Correct the bias of each layer of `converted` that `plan` promises in INT8; without a bias it gets one.

    `program` is what was quantized. The first CORRECTION_SAMPLES of `samples`, as the user nests them, count.

    Returns:
        how many layers were corrected: all whose bias is not another's, too.
    """
    layers = frozenset(name for name in plan.promised if plan.setting_of(name).precision == "int8")
    rows = list(itertools.islice(samples, CORRECTION_SAMPLES))
    with torch.no_grad():
        return _correct(converted, _expect(program, layers, rows), rows)


def _expect(
    program: ExportedProgram, layers: frozenset[str], rows: list[tuple[Any, ...]]
) -> dict[str, torch.Tensor]:
    """The mean output of each layer in FP32, its batch norm included, for each channel."""
    module = program.module()
    behind = {_behind(node): node.name for node in module.graph.nodes if node.name in layers}
    means: dict[str, torch.Tensor] = {}

    class Watch(Interpreter):
        def run_node(self, n: Node) -> Any:  # noqa: ANN401 - whatever a node gives
            result = super().run_node(n)
            if n in behind:
                means[behind[n]] = means.get(behind[n], 0.0) + _channel_means(n, result) / len(rows)
            return result

    for row in rows:
        Watch(module).run(*row)
    return means


def _behind(layer: Node) -> Node:
    """The batch norm that is folded into `layer`, or the layer itself."""
    user = next(iter(layer.users))
    return user if len(layer.users) == 1 and user.target in NORMS else layer


def _correct(converted: GraphModule, wanted: dict[str, torch.Tensor], rows: list[tuple[Any, ...]]) -> int:
    """Go through `converted` with all rows side by side, and correct each layer as it is reached."""
    runs = [Interpreter(converted) for _ in rows]
    for run, row in zip(runs, rows, strict=True):
        run.args_iter = iter(converted.graph.process_inputs(*row))
    corrected = 0
    for node in list(converted.graph.nodes):
        for run in runs:
            run.env[node] = run.run_node(node)
        if node.name in wanted:
            means = [_channel_means(node, run.env[node]) for run in runs]
            shift = torch.stack(means).mean(0) - wanted[node.name]
            if _subtract(converted, node, shift):
                corrected += 1
                for run in runs:
                    run.env[node] = run.env[node] - _along_channels(node, shift, run.env[node])
        for run in runs:
            for done in run.user_to_last_uses.get(node, []):
                del run.env[done]
    converted.recompile()
    return corrected


def _subtract(converted: GraphModule, layer: Node, shift: torch.Tensor) -> bool:
    """Subtract from the bias of `layer`; False when another layer has the same bias."""
    old = layer.args[2] if len(layer.args) > 2 else None
    if old is None:
        name = f"{layer.name}_bias"
        converted.register_buffer(name, -shift)
        with converted.graph.inserting_before(layer):
            bias = converted.graph.get_attr(name)
        layer.args = (*layer.args[:2], bias, *layer.args[3:])
        return True
    assert isinstance(old, Node)  # noqa: S101 - a tensor or nothing
    if old.op != "get_attr" or len(old.users) != 1:
        return False
    path, _, name = str(old.target).rpartition(".")
    owner = converted.get_submodule(path)
    # Another tensor, not other values: the program that was quantized has the old one, too.
    value = getattr(owner, name).detach() - shift
    setattr(owner, name, torch.nn.Parameter(value) if name in owner._parameters else value)
    return True


def _axis(layer: Node) -> int:
    """The axis of the channels in the output of a layer or a norm."""
    return -1 if layer.target is torch.ops.aten.linear.default else 1


def _channel_means(layer: Node, output: torch.Tensor) -> torch.Tensor:
    axis = _axis(layer) % output.dim()
    return output.mean([other for other in range(output.dim()) if other != axis])


def _along_channels(layer: Node, values: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    shape = [1] * output.dim()
    shape[_axis(layer)] = -1
    return values.reshape(shape)
