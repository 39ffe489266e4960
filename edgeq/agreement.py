"""How close outputs are to a reference: SQNR, largest error and top-1 agreement, added up sample by sample.

Memory does not grow with the number of samples. Used for a device against the converted model, and for every
rung of the accuracy ladder against the eager model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.artifact import Array
from edgeq.results.records import Closeness, Metrics


@dataclass(frozen=True)
class Rung:
    """One rung of the accuracy ladder: what `evaluate` says, and the outputs beside the eager model's."""

    metrics: Metrics
    closeness: Closeness


def missing_rung(reason: str) -> Rung:
    """A rung that was not reached."""
    return Rung({"missing": reason}, Closeness(missing=reason))


class Tally:
    """Adds up how far outputs are from their reference, for each position of the flattened outputs.

    `same_kind` and `same_special` turn false when an output has another dtype or shape than its reference, or
    NaN and infinities in other places; the figures mean nothing then.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.same_kind = True
        self.same_special = True
        self._signal: list[float] = []
        self._noise: list[float] = []
        self._max_error = 0.0
        self._classes = 0
        self._agreed = 0

    def add(self, reference: Sequence[Array], got: Sequence[Array]) -> None:
        """Take in one sample: its flat outputs, both in the same order."""
        self.samples += 1
        if [(a.dtype, a.shape) for a in reference] != [(a.dtype, a.shape) for a in got]:
            self.same_kind = False
            return
        self._signal += [0.0] * (len(reference) - len(self._signal))
        self._noise += [0.0] * (len(reference) - len(self._noise))
        for position, (ours, theirs) in enumerate(zip(reference, got, strict=True)):
            self._add_output(position, ours, theirs)

    @property
    def max_abs_error(self) -> float:
        """Over all finite values of all outputs."""
        return self._max_error

    @property
    def sqnr_db(self) -> float | None:
        """`10 log10(sum(ref^2) / sum((ref - got)^2))` of the worst output position, all samples together.

        None when all outputs are equal; 0 for noise where the reference is 0.
        """
        ratios = [
            float(10 * np.log10(signal / noise)) if signal else 0.0
            for signal, noise in zip(self._signal, self._noise, strict=True)
            if noise
        ]
        return min(ratios, default=None)

    @property
    def top1_agreement(self) -> float | None:
        """Share of outputs with the same class, among those that look like classes; None without any.

        They do when they are floating point, and the last axis is the only one longer than 1.
        """
        return self._agreed / self._classes if self._classes else None

    def result(self, source: str) -> Closeness:
        """The figures, over inputs from `source`; or why there are none."""
        if not self.samples:
            return Closeness(missing="there was no input to compare on")
        if not self.same_kind:
            return Closeness(missing="the outputs have other dtypes or shapes than the eager model's")
        if not self.same_special:
            return Closeness(missing="NaN or infinities stand elsewhere than in the eager model's outputs")
        return Closeness(
            samples=self.samples,
            source=source,
            sqnr_db=self.sqnr_db,
            max_abs_error=self.max_abs_error,
            top1_agreement=self.top1_agreement,
        )

    def _add_output(self, position: int, ours: Array, theirs: Array) -> None:
        reference, got = ours.astype(np.float64), theirs.astype(np.float64)
        finite = np.isfinite(reference)
        mine, other = (np.where(np.isfinite(array), 0.0, array) for array in (reference, got))
        if not np.array_equal(mine, other, equal_nan=True):
            self.same_special = False
            return
        error = reference[finite] - got[finite]
        self._signal[position] += float(np.sum(reference[finite] ** 2))
        self._noise[position] += float(np.sum(error**2))
        self._max_error = max(self._max_error, float(np.max(np.abs(error), initial=0.0)))
        if looks_like_classes(ours):
            self._classes += 1
            self._agreed += int(np.argmax(ours) == np.argmax(theirs))


def looks_like_classes(array: Array) -> bool:
    """Whether an output of one sample can be scores of classes: floats along one axis only, the last."""
    shape = array.shape
    is_row = bool(shape) and shape[-1] > 1 and array.size == shape[-1]
    return bool(np.issubdtype(array.dtype, np.floating)) and is_row
