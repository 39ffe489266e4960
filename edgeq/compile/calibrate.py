"""Reads the calibration set: checks every sample, counts them, and takes their fingerprint.

Samples are streamed, never gathered, and iterated twice: once for the fingerprint that the cache key needs,
once through the observers. Both passes must see the same bytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from edgeq.artifact import Calibration
from edgeq.compile.recipe import Recipe
from edgeq.compile.subject import Subject, seed_everything
from edgeq.errors import CalibrationError
from edgeq.results.records import RunWarning


@dataclass(frozen=True)
class Survey:
    """What a whole calibration set holds."""

    calibration: Calibration
    warnings: tuple[RunWarning, ...]


class Fingerprint:
    """SHA-256 over dtype, shape and bytes of each tensor, sample by sample."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.samples = 0

    def add(self, leaves: list[torch.Tensor]) -> None:
        """Take in one sample."""
        self.samples += 1
        self._sha256.update(hash_tensors(leaves))

    def result(self) -> Calibration:
        """Number of samples and the hash of all that were added."""
        return Calibration(samples=self.samples, sha256=self._sha256.hexdigest())


def survey_calibration(subject: Subject, recipe: Recipe) -> Survey | None:
    """Read the whole calibration set once; None when `recipe` takes no ranges from it.

    Raises:
        CalibrationError: it is missing or empty, or a sample is not like `example_inputs()` or not finite.
    """
    if not recipe.needs_calibration:
        return None
    fingerprint = Fingerprint()
    first: bytes | None = None
    varied = False
    for leaves in read_calibration(subject):
        fingerprint.add(leaves)
        digest = hash_tensors(leaves)
        first = first or digest
        varied = varied or digest != first
    return Survey(fingerprint.result(), _doubts(fingerprint.samples, varied))


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
            hint="yield samples of the same structure, shape and dtype as example_inputs()",
        ) from error
    for leaf, spec in zip(leaves, subject.inputs, strict=True):
        if leaf.is_floating_point() and not torch.isfinite(leaf).all():
            kind = "NaN" if torch.isnan(leaf).any() else "infinity"
            raise CalibrationError(
                f"{where}: input {spec.name!r} holds {kind}; expected finite numbers",
                hint="a range that was observed on it would be useless; leave such samples out",
            )
    return leaves


def _doubts(samples: int, varied: bool) -> tuple[RunWarning, ...]:
    if samples == 1:
        return (
            RunWarning(
                code="calibration-single",
                message="the ranges come from a single calibration sample",
                facts={"samples": 1},
            ),
        )
    if not varied:
        return (
            RunWarning(
                code="calibration-constant",
                message="all calibration samples are the same",
                facts={"samples": samples},
            ),
        )
    return ()
