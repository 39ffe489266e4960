"""Reads the calibration set: checks every sample, counts them, and takes their fingerprint.

Samples are streamed, never gathered, and iterated twice: once for the fingerprint that the cache key needs,
once through the observers. Both passes must see the same bytes.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from edgeq.artifact import Calibration
from edgeq.compile.calibration.doubts import Inquiry, open_inquiry
from edgeq.compile.recipe import Recipe
from edgeq.compile.subject import Subject, seed_everything
from edgeq.errors import CalibrationError

# What is being done, how much of it is, and of how much; 0 when that is not known.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Survey:
    """What a whole calibration set holds: its fingerprint, and what is odd about it."""

    calibration: Calibration
    inquiry: Inquiry


class Fingerprint:
    """SHA-256 over dtype, shape and bytes of each tensor, sample by sample."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.samples = 0

    def add(self, leaves: list[torch.Tensor]) -> bytes:
        """Take in one sample; gives its own hash."""
        self.samples += 1
        digest = hash_tensors(leaves)
        self._sha256.update(digest)
        return digest

    def result(self) -> Calibration:
        """Number of samples and the hash of all that were added."""
        return Calibration(samples=self.samples, sha256=self._sha256.hexdigest())


def survey_calibration(
    subject: Subject, recipe: Recipe, progress: Progress = lambda *_: None
) -> Survey | None:
    """Read the whole calibration set once; None when `recipe` takes no ranges from it.

    Raises:
        CalibrationError: it is missing or empty, or a sample is not like `example_inputs()` or not finite.
    """
    if not recipe.needs_calibration:
        return None
    fingerprint = Fingerprint()
    example = subject.flatten_inputs(subject.args)
    inquiry = open_inquiry([spec.name for spec in subject.inputs], example)
    for leaves in read_calibration(subject):
        inquiry.add(leaves, fingerprint.add(leaves))
        progress("reading the calibration set", fingerprint.samples, 0)
    return Survey(fingerprint.result(), inquiry)


def read_calibration(subject: Subject) -> Iterator[list[torch.Tensor]]:
    """The flat tensors of each calibration sample, checked.

    Raises:
        CalibrationError: as `survey_calibration`.
    """
    workload = subject.workload
    if workload.calibration is None:
        raise CalibrationError(
            f"workload {workload.name!r} brings no calibration data, and the recipe takes its ranges from it",
            hint="add a function calibration() that yields typical samples, each a tuple like "
            "example_inputs(); or use a recipe that needs none: fp32, int8-dynamic",
        )
    seed_everything()
    count = 0
    for index, sample in enumerate(workload.calibration()):
        yield _checked(subject, index, sample)
        count += 1
    if count == 0:
        raise CalibrationError(
            f"{workload.name}: calibration() gave no samples", hint="yield some hundred typical samples"
        )


def hash_tensors(leaves: list[torch.Tensor]) -> bytes:
    """SHA-256 over dtype, shape and bytes of `leaves`."""
    sha256 = hashlib.sha256()
    for leaf in leaves:
        sha256.update(f"{leaf.dtype}{list(leaf.shape)}".encode())
        sha256.update(leaf.view(-1).view(torch.uint8).numpy().tobytes())
    return sha256.digest()


def _checked(subject: Subject, index: int, sample: tuple[Any, ...]) -> list[torch.Tensor]:
    where = f"{subject.workload.name}: calibration sample {index}"
    try:
        leaves = subject.flatten_inputs(sample)
    except ValueError as error:
        raise CalibrationError(
            f"{where}: {error}",
            hint=_layout_hint(subject, sample)
            or "yield samples of the same structure, shape and dtype as example_inputs()",
        ) from error
    for leaf, spec in zip(leaves, subject.inputs, strict=True):
        if leaf.is_floating_point() and not torch.isfinite(leaf).all():
            kind = "NaN" if torch.isnan(leaf).any() else "infinity"
            raise CalibrationError(
                f"{where}: input {spec.name!r} holds {kind}; expected finite numbers",
                hint="a range that was observed on it would be useless; leave such samples out",
            )
    return leaves


def _layout_hint(subject: Subject, sample: object) -> str | None:
    """How to turn a sample with its channels last into one with its channels first, if it is one."""
    for leaf, spec in zip(pytree.tree_leaves(sample), subject.inputs, strict=False):
        got = tuple(leaf.shape) if isinstance(leaf, torch.Tensor) else ()
        if len(got) == 4 and got != spec.shape and (got[0], got[3], got[1], got[2]) == spec.shape:
            return f"input {spec.name!r} is NHWC, the model takes NCHW: use permute(0, 3, 1, 2), not reshape"
    return None
