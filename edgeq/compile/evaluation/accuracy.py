"""The accuracy ladder: the workload's own evaluation on the eager model, the converted model and the `.pte`.

The last rung, the device, is done in two steps, because a device answers many inputs at once: the inputs
that `evaluate` asks about are recorded on the host, run on the device, and played back in order.
"""

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeq.agreement import Rung, Tally, missing_rung
from edgeq.artifact import Array, Samples
from edgeq.compile.calibration.calibrate import read_calibration
from edgeq.compile.silence import silence
from edgeq.compile.subject import Subject, open_subject, seed_everything
from edgeq.errors import EdgeqError, WorkloadError
from edgeq.results.records import Metrics
from edgeq.workload.loader import Workload

NO_EVALUATION = "the workload has no evaluate()"

NO_INPUTS = "evaluate() asked about no input"

_OTHER_INPUTS = "evaluate() asked about other inputs than when it was recorded on the host"

# Each device's outputs are played back in a thread of their own, but the random generators that are seeded
# for `evaluate`, and the filters of `silence`, are the whole process's.
_replaying = threading.Lock()

# Inputs to compare outputs on when `evaluate` asks about none: so many, and of so many bytes, at most.
SPARE_SAMPLES = 32
SPARE_BYTES = 8_000_000

# One sample in, flat tensors out.
Answer = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Recording:
    """Every input that `evaluate` asked about, in order, with the eager model's outputs and their metrics.

    `source` says where the inputs come from: `evaluate`, or, when that asks about none, `spare_inputs`.
    """

    inputs: Samples
    outputs: Samples
    metrics: Metrics
    source: str


def evaluate_with(subject: Subject, answer: Answer) -> Metrics:
    """The metrics of the workload's `evaluate`, with `answer` behind its `predict`; or why there are none.

    Raises:
        WorkloadError: `evaluate` raises, returns something else than finite numbers by name, or asks about
            an input that is not of the shape and dtype of `example_inputs()`.
    """
    workload = subject.workload
    if workload.evaluate is None:
        return {"missing": NO_EVALUATION}

    def predict(*args: Any) -> Any:  # noqa: ANN401 - the user's own structure
        try:
            leaves = subject.flatten_inputs(args)
        except ValueError as error:
            raise WorkloadError(
                f"{workload.name}: evaluate() called predict with a wrong sample: {error}",
                hint="the program has a fixed shape: call predict with one sample like example_inputs()",
            ) from error
        with torch.no_grad():
            return subject.nest_outputs(answer(leaves))

    seed_everything()
    return _checked_metrics(workload, workload.evaluate(predict))


def evaluate_eager(workload: Workload) -> Metrics:
    """The metrics of the eager model.

    Raises:
        WorkloadError: as `evaluate_with`.
    """
    with silence():
        subject = open_subject(workload)
        return evaluate_with(subject, answer_with(subject.module, subject))


def are_same(one: Metrics, other: Metrics) -> bool:
    """Whether two evaluations of one model gave the same, but for the last digits of sums."""
    return one.keys() == other.keys() and all(
        math.isclose(mine, theirs, rel_tol=1e-6)
        if isinstance(mine, float) and isinstance(theirs := other[name], float)
        else mine == other[name]
        for name, mine in one.items()
    )


def answer_with(module: torch.nn.Module, subject: Subject) -> Answer:
    """Answers of a PyTorch module that takes what the model takes."""

    def answer(leaves: list[torch.Tensor]) -> list[torch.Tensor]:
        return list(pytree.tree_leaves(module(*subject.nest_inputs(leaves))))

    return answer


def spare_inputs(subject: Subject) -> tuple[str, Iterator[list[torch.Tensor]]]:
    """Inputs to compare outputs on without an `evaluate`, and where they come from.

    They are the first of the calibration set, else the example inputs.
    """
    if subject.workload.calibration is None:
        return "reference", iter([subject.flatten_inputs(subject.args)])
    return "calibration", _while_small(read_calibration(subject))


def as_arrays(tensors: Sequence[torch.Tensor]) -> list[Array]:
    """Flat outputs for a `Tally`."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def record_evaluation(workload: Workload) -> Recording:
    """Run `evaluate` with the eager model and keep every input that it asked about; all recipes share it.

    Raises:
        WorkloadError: as `evaluate_with`.
    """
    inputs: Samples = []
    outputs: Samples = []
    with silence():
        subject = open_subject(workload)
        eager = answer_with(subject.module, subject)

        def answer(leaves: list[torch.Tensor]) -> Sequence[torch.Tensor]:
            inputs.append(tuple(leaf.numpy().copy() for leaf in leaves))
            given = eager(leaves)
            outputs.append(tuple(array.copy() for array in as_arrays(given)))
            return given

        metrics = evaluate_with(subject, answer)
        source = "evaluate"
        if not inputs:
            source, spare = spare_inputs(subject)
            with torch.no_grad():
                for leaves in spare:
                    answer(leaves)
    return Recording(inputs, outputs, metrics, source)


def replay_evaluation(workload: Workload, recording: Recording, outputs: Samples) -> Rung:
    """Run `evaluate` again, its `predict` answered with a device's `outputs` to the recorded inputs.

    Returns:
        the metrics, or `{"missing": reason}` when `evaluate` asked about other inputs this time, or about
        none: then no metric can be the device's; and `outputs` beside the eager model's.
    """
    if len(outputs) != len(recording.inputs):
        return missing_rung(f"{len(outputs)} outputs came back for {len(recording.inputs)} inputs")
    tally = Tally()
    for expected, got in zip(recording.outputs, outputs, strict=True):
        tally.add(expected, got)
    return Rung(_replay(workload, recording, outputs), tally.result(recording.source))


def _replay(workload: Workload, recording: Recording, outputs: Samples) -> Metrics:
    if recording.source != "evaluate":
        return {"missing": NO_EVALUATION if workload.evaluate is None else NO_INPUTS}
    pairs = iter(zip(recording.inputs, outputs, strict=True))

    def answer(leaves: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        expected, given = next(pairs, ((), ()))
        if not expected or not all(
            np.array_equal(leaf.numpy(), array) for leaf, array in zip(leaves, expected, strict=True)
        ):
            raise _Diverged
        return [torch.from_numpy(np.array(array)) for array in given]

    try:
        with _replaying, silence():
            metrics = evaluate_with(open_subject(workload), answer)
    except _Diverged:
        return {"missing": _OTHER_INPUTS}
    return metrics if next(pairs, None) is None else {"missing": _OTHER_INPUTS}


def _while_small(samples: Iterator[list[torch.Tensor]]) -> Iterator[list[torch.Tensor]]:
    size = 0
    for index, leaves in enumerate(itertools.islice(samples, SPARE_SAMPLES)):
        size += sum(leaf.nbytes for leaf in leaves)
        if index and size > SPARE_BYTES:
            return
        yield leaves


class _Diverged(EdgeqError):
    """The evaluation took another way than the recorded one."""

    stage = "accuracy"

    def __init__(self) -> None:
        super().__init__("evaluate() asked about other inputs than were recorded")


def _checked_metrics(workload: Workload, metrics: object) -> Metrics:
    hint = 'return metrics by name, such as {"top1": 0.97}'
    if not isinstance(metrics, dict) or not metrics:
        raise WorkloadError(f"{workload.name}: evaluate() returned {metrics!r:.80}", hint=hint)
    checked: Metrics = {}
    for name, value in metrics.items():
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = math.nan
        # JSON has neither NaN nor infinity.
        if not math.isfinite(number):
            raise WorkloadError(
                f"{workload.name}: evaluate() returned {value!r:.80} for {name!r}, not a finite number",
                hint=hint,
            )
        checked[str(name)] = number
    return checked
