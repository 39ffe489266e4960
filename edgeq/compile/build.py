"""Builds one artifact: prove, quantize, verify, correct, lower, verify, evaluate, write. Needs executorch."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from edgeq.artifact import (
    GRAPH,
    INPUTS,
    MANIFEST,
    OUTPUTS,
    PROGRAM,
    Coverage,
    Manifest,
    Samples,
    write_samples,
)
from edgeq.cache import file_sha256
from edgeq.compile.calibration.calibrate import Fingerprint, read_calibration
from edgeq.compile.calibration.coverage import Watch, describe_coverage, doubt_coverage
from edgeq.compile.evaluation.accuracy import answer_with
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.evaluation.ladder import Eager, climb_host
from edgeq.compile.export import Announce, Order
from edgeq.compile.lowering.lower import Lowered, lower_program
from edgeq.compile.lowering.memory_format import lay_out_sample
from edgeq.compile.quantization.bias_correction import CORRECTION_SAMPLES, correct_biases
from edgeq.compile.quantization.layers import Layer, find_layers
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.quantization.training import train_quantized
from edgeq.compile.quantization.verify import Verified, list_unquantized, verify_converted, verify_lowered
from edgeq.compile.rewrites.rewrite import PROOF_SAMPLES, require_equal
from edgeq.compile.trace import refusing, trace_program
from edgeq.errors import CalibrationError, ExportError
from edgeq.graph import encode_graph
from edgeq.results.records import Accuracy


def build_artifact(order: Order, folder: Path, announce: Announce) -> None:
    """Write the artifact of `order` into `folder`.

    Raises:
        CalibrationError: the calibration set gave other samples than a moment ago.
        ExportError, NotQuantizedError: the program could not be made as asked.
    """
    require_equal(order.traced, order.steps, first_samples(order, PROOF_SAMPLES))
    converted = _convert(order, announce)
    announce(f"{order.name}: lowering {order.recipe.name}")
    lowered = _lower(order, converted)
    (folder / PROGRAM).write_bytes(lowered.program)
    (folder / GRAPH).write_bytes(encode_graph(lowered.graph))
    answer = answer_with(converted.module, order.subject)
    host = HostProgram(folder / PROGRAM, lowered.inputs)
    with torch.no_grad():
        outputs = [tuple(t.contiguous().numpy() for t in answer(_tensors(row))) for row in order.reference]
    _require_likeness(order, host, outputs)
    write_samples(folder / INPUTS, order.reference)
    write_samples(folder / OUTPUTS, outputs)
    announce(f"{order.name}: evaluating {order.recipe.name}")
    eager = Eager(order.subject)
    accuracy = climb_host(order.subject, converted.module, host.run, eager)
    coverage = _cover(order, converted, eager)
    manifest = _describe(order, folder, converted, lowered, accuracy, coverage)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


@dataclass(frozen=True)
class _Converted:
    """The model to lower, its layers, and what was seen of its ranges."""

    module: torch.nn.Module
    verified: Verified
    watch: Watch | None = None


def _convert(order: Order, announce: Announce) -> _Converted:
    layers = find_layers(order.program)
    if not order.recipe.is_quantized:
        return _Converted(order.program.module(), list_unquantized(layers))
    with refusing("PT2E could not quantize", order.subject):
        return _quantize(order, layers, announce)


def _quantize(order: Order, layers: list[Layer], announce: Announce) -> _Converted:
    if order.recipe.training:
        announce(f"{order.name}: training {order.recipe.name}")
        trained = train_quantized(order.subject, order.recipe, announce)
        return _Converted(trained.module, verify_converted(trained.layers, trained.module, trained.plan))
    announce(f"{order.name}: quantizing {order.recipe.name}")
    survey = order.survey
    count = survey.calibration.samples if survey else 1
    quantized = quantize_program(order.program, order.plan, calibration_samples(order), count)
    records = verify_converted(layers, quantized.module, order.plan)
    if order.recipe.bias_correction:
        announce(f"{order.name}: correcting the biases")
        correct_biases(quantized.module, order.program, order.plan, first_samples(order, CORRECTION_SAMPLES))
    return _Converted(quantized.module, records, quantized.watch)


def _lower(order: Order, converted: _Converted) -> Lowered:
    program, recipe = order.program, order.recipe
    if recipe.is_quantized or recipe.channels_last:
        args = lay_out_sample(order.subject.args, recipe, order.subject)
        program = trace_program(converted.module, args, order.subject)
    lowered = lower_program(program, order.subject, recipe.rewrites)
    if recipe.is_quantized:
        verify_lowered(converted.verified, lowered, recipe)
    return lowered


def first_samples(order: Order, count: int) -> Iterator[tuple[Any, ...]]:
    """The example inputs, and the first of the calibration set where there is one: `count` at most."""
    yield order.subject.args
    if order.subject.workload.calibration is not None:
        for leaves in itertools.islice(read_calibration(order.subject), count - 1):
            yield order.subject.nest_inputs(leaves)


def calibration_samples(order: Order) -> Iterator[tuple[Any, ...]]:
    """What runs through the observers: the surveyed set again, else (dynamic) the example inputs.

    Raises:
        CalibrationError: the set gives other samples than when it was surveyed.
    """
    if order.survey is None:
        yield order.subject.args
        return
    surveyed, fingerprint = order.survey.calibration, Fingerprint()
    # The watch counts samples: one more than were surveyed must not reach it. The fingerprint tells of it.
    for leaves in itertools.islice(read_calibration(order.subject), surveyed.samples + 1):
        fingerprint.add(leaves)
        if fingerprint.samples <= surveyed.samples:
            yield order.subject.nest_inputs(leaves)
        order.progress(f"calibrating {order.recipe.name}", fingerprint.samples, surveyed.samples)
    if fingerprint.result() != surveyed:
        raise CalibrationError(
            f"{order.name}: calibration() gave other samples when it was called again",
            hint="draw them with a fixed seed, and build the generator anew in each call",
        )


def _require_likeness(order: Order, host: HostProgram, outputs: Samples) -> None:
    """Run the program on this machine's runtime: it must work, and give what the converted model gives.

    Only what would be plainly wrong is refused here; how close the outputs are is measured on the device.
    """
    for row, expected in zip(order.reference, outputs, strict=True):
        got = [tensor.numpy() for tensor in host.run(_tensors(row))]
        for spec, mine, theirs in zip(order.subject.outputs, expected, got, strict=True):
            like = mine.shape == theirs.shape and mine.dtype == theirs.dtype
            if not like or (np.isfinite(mine).all() and not np.isfinite(theirs).all()):
                raise ExportError(
                    f"{order.name}: the program gives {theirs.dtype}{list(theirs.shape)} for output "
                    f"{spec.name!r}, the model {mine.dtype}{list(mine.shape)}; or it is not finite there",
                    hint="this is a fault of the lowering; try fp32 to see whether the recipe matters",
                )


def _cover(order: Order, converted: _Converted, eager: Eager) -> Coverage | None:
    if order.survey is None or converted.watch is None:
        return None
    return describe_coverage(converted.watch, order.survey.inquiry, eager.classes)


def _describe(
    order: Order,
    folder: Path,
    converted: _Converted,
    lowered: Lowered,
    accuracy: Accuracy,
    coverage: Coverage | None,
) -> Manifest:
    source = order.subject.workload.source
    return Manifest(
        name=order.name,
        workload=source.name if source else order.subject.workload.name,
        recipe=msgspec.to_builtins(order.recipe),
        versions=order.versions,
        program_sha256=file_sha256(folder / PROGRAM),
        program_bytes=len(lowered.program),
        graph_sha256=file_sha256(folder / GRAPH),
        weights_sha256=order.weights_sha256,
        inputs=lowered.inputs,
        outputs=lowered.outputs,
        reference_samples=len(order.reference),
        reference_sha256={name: file_sha256(folder / name) for name in (INPUTS, OUTPUTS)},
        rewrites={step.name: step.places for step in order.steps},
        calibration=order.survey.calibration if order.survey else None,
        coverage=coverage,
        layers=converted.verified.layers,
        delegation=lowered.delegation,
        accuracy=accuracy,
        warnings=(
            *(order.survey.inquiry.warnings() if order.survey else ()),
            *(doubt_coverage(coverage) if coverage else ()),
        ),
    )


def _tensors(row: tuple[Any, ...]) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in row]
