"""The rungs of the accuracy ladder on this machine: metrics, and outputs beside the eager model's.

The model of a rung runs once for each input. Beside it stand the eager model's outputs for the very same
input: those of its own pass are remembered up to a bound, and computed again beyond it, so that memory does
not grow with the data.
"""

from collections.abc import Sequence

import torch

from edgeq.agreement import Rung, Tally
from edgeq.artifact import Array
from edgeq.compile.calibration.calibrate import hash_tensors
from edgeq.compile.calibration.classes import ClassCount
from edgeq.compile.evaluation.accuracy import Answer, answer_with, as_arrays, evaluate_with, spare_inputs
from edgeq.compile.subject import Subject
from edgeq.results.records import Accuracy

# Of the eager model's outputs.
REMEMBERED_BYTES = 64_000_000

_NOT_YET = "not run on a device yet"


class Eager:
    """The eager model's outputs for an input, whichever rung asks.

    `asked` counts what `answer` gave, `classes` the classes that these outputs put first.
    """

    def __init__(self, subject: Subject, room: int = REMEMBERED_BYTES) -> None:
        self._answer = answer_with(subject.module, subject)
        self._room = room
        self._known: dict[bytes, list[Array]] = {}
        self.asked = 0
        self.classes = ClassCount()

    def answer(self, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
        """Flat outputs as tensors, which are the asker's own."""
        outputs = self.outputs(leaves)
        self.asked += 1
        self.classes.add(outputs)
        return [torch.from_numpy(array.copy()) for array in outputs]

    def outputs(self, leaves: list[torch.Tensor]) -> list[Array]:
        """Flat outputs, not to be changed."""
        key = hash_tensors(leaves)
        if key in self._known:
            return self._known[key]
        with torch.no_grad():
            given = as_arrays(self._answer([leaf.clone() for leaf in leaves]))
        size = sum(array.nbytes for array in given)
        if size <= self._room:
            self._room -= size
            self._known[key] = given
        return given


def climb_host(subject: Subject, converted: torch.nn.Module, host: Answer, eager: Eager) -> Accuracy:
    """Eager model, converted model and `.pte` on this machine, each on what `evaluate` asks about.

    Raises:
        WorkloadError: as `evaluate_with`.
    """
    metrics = evaluate_with(subject, eager.answer)
    samples = eager.asked if subject.workload.evaluate is not None else None
    rungs = {"converted": climb(subject, answer_with(converted, subject), eager)}
    rungs["host"] = climb(subject, host, eager)
    return Accuracy(
        eager=metrics,
        converted=rungs["converted"].metrics,
        host=rungs["host"].metrics,
        device={"missing": _NOT_YET},
        samples=samples,
        agreement={name: rung.closeness for name, rung in rungs.items()},
    )


def climb(subject: Subject, answer: Answer, eager: Eager) -> Rung:
    """One rung: what `evaluate` says of `answer`, and how close it is to the eager model on the same inputs.

    Without an `evaluate`, or when it asks about nothing, the inputs are those of `spare_inputs`.

    Raises:
        WorkloadError: as `evaluate_with`.
    """
    tally = Tally()

    def beside(leaves: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        expected = eager.outputs(leaves)
        got = answer(leaves)
        tally.add(expected, as_arrays(got))
        return got

    metrics = evaluate_with(subject, beside)
    source = "evaluate"
    if not tally.samples:
        source, inputs = spare_inputs(subject)
        with torch.no_grad():
            for leaves in inputs:
                beside(leaves)
    return Rung(metrics, tally.result(source))
