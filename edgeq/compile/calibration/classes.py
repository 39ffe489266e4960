"""Which classes the model finds in the calibration set, and which of the evaluation's it does not find there.

Nobody labels a calibration set, so a sample belongs to the class that the model itself puts first.
"""

from collections import Counter
from collections.abc import Sequence

from edgeq.agreement import looks_like_classes
from edgeq.artifact import Array, ClassCoverage
from edgeq.results.records import RunWarning

# Share of the evaluation's samples whose classes the calibration set may lack, and how many times the share
# that a draw of the same size from the evaluation is expected to lack.
MOST_MISSING = 0.05
_UNLUCKY = 4

_NAMED = 8


class ClassCount:
    """How many samples the model puts into each class; memory grows with the classes, not the samples."""

    def __init__(self) -> None:
        self.found: Counter[int] = Counter()
        self.of = 0

    def add(self, outputs: Sequence[Array]) -> None:
        """Count one sample, by the first of its flat outputs that looks like scores of classes."""
        scores = next((array for array in outputs if looks_like_classes(array)), None)
        if scores is not None:
            self.of = max(self.of, scores.size)
            self.found[int(scores.argmax())] += 1


def cover_classes(calibrated: ClassCount, evaluated: ClassCount) -> ClassCoverage | None:
    """What the one lacks of the other; None where no output looks like scores of classes."""
    if not calibrated.found:
        return None
    total = evaluated.found.total()
    missing = [each for each in evaluated.found.most_common() if each[0] not in calibrated.found]
    return ClassCoverage(
        classes=calibrated.of,
        calibrated=len(calibrated.found),
        evaluated=len(evaluated.found) if total else None,
        missing=tuple(label for label, _ in missing),
        missing_share=sum(count for _, count in missing) / total if total else None,
        expected_share=_expect_missing(evaluated, calibrated.found.total()) if total else None,
    )


def doubt_classes(coverage: ClassCoverage | None) -> tuple[RunWarning, ...]:
    """Whether more is missing than a small calibration set has to lack."""
    if coverage is None or coverage.missing_share is None or coverage.expected_share is None:
        return ()
    if coverage.missing_share <= max(MOST_MISSING, _UNLUCKY * coverage.expected_share):
        return ()
    named = ", ".join(map(str, coverage.missing[:_NAMED]))
    rest = ", ..." if len(coverage.missing) > _NAMED else ""
    return (
        RunWarning(
            code="calibration-classes",
            message=f"the model puts no calibration sample into {len(coverage.missing)} of the "
            f"{coverage.evaluated} classes that it finds in the evaluation, and they are "
            f"{coverage.missing_share:.0%} of its samples: {named}{rest}; calibrate on samples of every "
            "class, in the shares in which they come",
            facts={"missing": len(coverage.missing), "share": coverage.missing_share},
        ),
    )


def _expect_missing(evaluated: ClassCount, draws: int) -> float:
    """Share of samples whose class `draws` independent draws are expected to lack: sum of p (1 - p)^draws."""
    total = evaluated.found.total()
    shares = (count / total for count in evaluated.found.values())
    return sum(share * (1 - share) ** draws for share in shares)
