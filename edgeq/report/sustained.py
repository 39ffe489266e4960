"""A long run made readable: its first part beside its last, and when the device began to slow down."""

from collections.abc import Sequence

from edgeq.report.section import Row, Section
from edgeq.results.interval import CONFIDENCE
from edgeq.results.records import Missing, Run
from edgeq.results.sustained import LEAST_SLOWDOWN, Sustained, find_sustained
from edgeq.units import format_quantity

_HEADER = ("recipe", "length", "first", "last", "speed kept", "slower from", "levels", "slowest window")


def sustained_sections(runs: Sequence[Run]) -> list[Section]:
    """One table with a row for each long run; none when there is none."""
    found = [(run, each) for run in runs if (each := find_sustained(run)) is not None]
    if not found:
        return []
    sentences, rows = [], []
    for run, each in found:
        label = f"{run.artifact.name}.{run.artifact.recipe}"
        if isinstance(each, Missing):
            sentences.append(f"{label}: not followed over its time: {each.missing}.")
            continue
        sentences.append(f"{label}: {tell_sustained(each)}")
        rows.append(_row(run.artifact.recipe, each))
    title = f"{runs[0].artifact.name}: over minutes"
    return [Section(title, tuple(sentences), _HEADER, tuple(rows))]


def tell_sustained(sustained: Sustained) -> str:
    """What became of the speed, in a sentence."""
    part = f"{sustained.part:.0f} s"
    if sustained.onset is None:
        onset = f"no lasting slowdown of {LEAST_SLOWDOWN:.0%} or more was seen"
    else:
        onset = f"it began to slow down about {sustained.onset:.0f} s after the start"
    return (
        f"in the last {part} of {sustained.seconds:.0f} s it ran at {sustained.retention:.1%} of the speed "
        f"of the first {part}; {onset}."
    )


def _row(recipe: str, sustained: Sustained) -> Row:
    def text(value: float) -> str:
        return format_quantity(value, sustained.unit)

    kept = f"{sustained.retention:.1%}"
    if sustained.low is not None and sustained.high is not None:
        kept += f" ({sustained.low:.1%} to {sustained.high:.1%}, {CONFIDENCE:.0%} confidence)"
    levels = "; ".join(f"{text(level.median)} from {level.since:.0f} s" for level in sustained.levels)
    return (
        recipe,
        f"{sustained.seconds:.0f} s in {sustained.windows} windows",
        text(sustained.first),
        text(sustained.last),
        kept,
        "never" if sustained.onset is None else f"{sustained.onset:.0f} s",
        levels,
        text(sustained.slowest),
    )
