"""The calibration report of an artifact as text."""

from tabulate import tabulate

from edgeq.artifact import Artifact, CalibrationInput, ClassCoverage, Coverage, Manifest, TensorRange
from edgeq.errors import InputError


def require_coverage(artifact: Artifact, manifest: Manifest) -> Coverage:
    """The coverage in `manifest`.

    Raises:
        InputError: its recipe takes no ranges from calibration, or an older edgeq made it.
    """
    if manifest.calibration is None:
        raise InputError(
            f"{artifact.label} was not calibrated: its recipe takes no ranges from data",
            hint="`edgeq inspect` without --calibration shows the rest",
        )
    if manifest.coverage is None:
        raise InputError(
            f"{artifact.label} was made by an edgeq that kept no calibration report", hint="export it again"
        )
    return manifest.coverage


def render_coverage(manifest: Manifest, coverage: Coverage) -> str:
    """What was calibrated on, how soon the ranges settled, each input and each range, and all warnings."""
    assert manifest.calibration is not None  # noqa: S101 - `require_coverage` has seen it
    samples = manifest.calibration.samples
    settled = (
        f"{coverage.enough} were enough" if coverage.enough < samples else "ranges still grew at the end"
    )
    lines = [
        f"calibrated on {samples} samples, sha256 {manifest.calibration.sha256}",
        f"{settled}: least share of its final extent that any range had after so many samples",
        "",
        tabulate(
            [[f"{share:.0%}" for share in coverage.growth]],
            headers=[str(count) for count in coverage.checkpoints],
            disable_numparse=True,
        ),
        "",
        f"{coverage.duplicates} of the first {coverage.compared} samples repeat an earlier one",
    ]
    if coverage.classes is not None:
        lines.append(_render_classes(coverage.classes))
    if coverage.inputs:
        lines += ["", _render_inputs(coverage.inputs)]
    if coverage.held_out:
        lines += ["", f"held out: the last {coverage.held_out} samples, against the ranges of those before"]
    else:
        lines += ["", f"nothing held out: {samples} samples are too few"]
    lines += ["", _render_ranges(coverage.ranges)]
    if manifest.warnings:
        lines += ["", *(f"warning: {each.message} [{each.code}]" for each in manifest.warnings)]
    return "\n".join(lines)


def _render_classes(classes: ClassCoverage) -> str:
    """How many classes there are samples of, by the model's own answers."""
    said = f"the model finds {classes.calibrated} of its {classes.classes} classes in them"
    if classes.missing_share is None:
        return f"{said}; there is no evaluation to compare with"
    if not classes.missing:
        return f"{said}, and all {classes.evaluated} that it finds in the evaluation"
    return (
        f"{said}; {len(classes.missing)} of {classes.evaluated} that it finds in the evaluation are missing, "
        f"{classes.missing_share:.1%} of its samples; a random draw of the same size would lack about "
        f"{classes.expected_share:.1%}"
    )


def _render_inputs(inputs: tuple[CalibrationInput, ...]) -> str:
    rows = []
    for each in inputs:
        rows.append(
            (
                each.name,
                f"{each.low:.4g} to {each.high:.4g}",
                f"{each.rms_low:.4g} to {each.rms_high:.4g}",
                _or_dash(each.neighbours, ".2f"),
            )
        )
        rows.append(
            (
                "  example",
                f"{each.example_low:.4g} to {each.example_high:.4g}",
                f"{each.example_rms:.4g}",
                _or_dash(each.example_neighbours, ".2f"),
            )
        )
    headers = ("input", "values", "rms of a sample", "correlation of neighbours")
    return tabulate(rows, headers=headers, disable_numparse=True)


def _render_ranges(ranges: tuple[TensorRange, ...]) -> str:
    headers = (
        "tensor",
        "operator",
        "observer",
        "seen",
        "INT8 range",
        "settled",
        "clipped",
        "unused",
        "beyond",
    )
    rows = [
        (
            each.module,
            each.operator,
            each.observer,
            f"{each.low:.4g} to {each.high:.4g}",
            f"{each.scale * (-128 - each.zero_point):.4g} to {each.scale * (127 - each.zero_point):.4g}",
            str(each.settled),
            _or_dash(each.saturation, ".2%"),
            _or_dash(each.unused, ".0%"),
            _or_dash(each.beyond, ".0%"),
        )
        for each in ranges
    ]
    return tabulate(rows, headers=headers, disable_numparse=True)


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
