"""The accuracy ladder: the workload's own evaluation on the eager model, the converted model and the `.pte`.

The last rung, the device, is done in two steps, because a device answers many inputs at once: the inputs
that `evaluate` asks about are recorded on the host, run on the device, and played back in order.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeq.artifact import Samples
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

# One sample in, flat tensors out.
Answer = Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Recording:
    """Every input that `evaluate` asked about, in order, and the metrics of the eager model's answers.

    Without inputs there is nothing to ask a device.
    """

    inputs: Samples
    metrics: Metrics


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


def answer_with(module: torch.nn.Module, subject: Subject) -> Answer:
    """Answers of a PyTorch module that takes what the model takes."""

    def answer(leaves: list[torch.Tensor]) -> list[torch.Tensor]:
        return list(pytree.tree_leaves(module(*subject.nest_inputs(leaves))))

    return answer


def record_evaluation(workload: Workload) -> Recording:
    """Run `evaluate` with the eager model and keep every input that it asked about; all recipes share it.

    Raises:
        WorkloadError: as `evaluate_with`.
    """
    inputs: Samples = []
    with silence():
        subject = open_subject(workload)
        eager = answer_with(subject.module, subject)

        def answer(leaves: list[torch.Tensor]) -> Sequence[torch.Tensor]:
            inputs.append(tuple(leaf.numpy() for leaf in leaves))
            return eager(leaves)

        metrics = evaluate_with(subject, answer)
    return Recording(inputs, metrics)


def replay_evaluation(workload: Workload, recording: Recording, outputs: Samples) -> Metrics:
    """Run `evaluate` again, its `predict` answered with a device's `outputs` to the recorded inputs.

    Returns:
        the metrics, or `{"missing": reason}` when `evaluate` asked about other inputs this time, or about
        none: then no metric can be the device's.
    """
    if not recording.inputs:
        return {"missing": NO_EVALUATION if workload.evaluate is None else NO_INPUTS}
    if len(outputs) != len(recording.inputs):
        return {"missing": f"{len(outputs)} outputs came back for {len(recording.inputs)} inputs"}
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
