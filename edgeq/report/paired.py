"""What rounds of several artifacts say, made readable: the answer first, then what it rests on."""

from collections.abc import Sequence

from edgeq.report.section import Row, Section
from edgeq.results.interval import CONFIDENCE
from edgeq.results.paired import POWER, PairedVerdict, are_paired, compare_paired
from edgeq.results.records import Run
from edgeq.units import format_ratio

_HEADER = ("artifact", "answer", "ratio", "interval", "would have been seen", "rounds", "inferences")


def paired_sections(runs: Sequence[Run]) -> list[Section]:
    """One section for each pairing that `runs` hold the base and another run of."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.pairing is not None:
            groups.setdefault(run.pairing.id, []).append(run)
    return [section for same in groups.values() for section in _compare(same)]


def tell_pair(base: Run, new: Run, base_name: str, new_name: str) -> str:
    """The answer in a sentence for two runs of one pairing; empty for any others."""
    if not are_paired(base, new):
        return ""
    try:
        return tell_paired(base_name, new_name, compare_paired(base, new))
    except ValueError:
        return ""


def tell_paired(base: str, new: str, verdict: PairedVerdict) -> str:
    """The answer in a sentence, for two artifacts by name."""
    if verdict.low is None or verdict.high is None or verdict.detectable is None:
        return f"Whether {new} is faster than {base} cannot be told: {verdict.reason}."
    ends = f"{verdict.low:.4g} to {verdict.high:.4g}"
    sure = "as far as counts repeat" if verdict.exact else f"with {CONFIDENCE:.0%} confidence"
    if verdict.answer == "no difference seen":
        what = "the instructions" if verdict.exact else "the time"
        return (
            f"No difference between {new} and {base} was seen: {new} takes {ends} times {what}, {sure}. "
            f"{_seen(verdict)}"
        )
    why = f" {verdict.reason[0].upper()}{verdict.reason[1:]}." if verdict.reason else ""
    if verdict.exact:
        answer = "takes fewer instructions" if verdict.answer == "faster" else "takes more instructions"
        return f"{new} {answer} than {base}: {format_ratio(verdict.ratio, 1)} as many ({ends}, {sure}).{why}"
    return (
        f"{new} is {verdict.answer} than {base}: it takes {format_ratio(verdict.ratio, 1)} the time "
        f"({ends}, {sure})."
    )


def _compare(same: Sequence[Run]) -> list[Section]:
    ordered = sorted(same, key=lambda run: run.pairing.place if run.pairing is not None else 0)
    base, others = ordered[0], ordered[1:]
    if base.pairing is None or base.pairing.place != 0 or not others:
        return []
    names = dict(zip(map(id, ordered), _name_runs(ordered), strict=True))
    sentences, rows = [], []
    verdicts = []
    for run in others:
        name = names[id(run)]
        try:
            verdict = compare_paired(base, run)
        except ValueError as error:
            sentences.append(f"{name} and {names[id(base)]} cannot be compared: {error}.")
            continue
        verdicts.append(verdict)
        sentences.append(tell_paired(names[id(base)], name, verdict))
        if "failed" in (base.status, run.status):
            sentences.append("A run of them failed: read what its rounds say with care.")
        rows.append(_row(name, verdict))
    if verdicts:
        sentences.append(_tell_method(verdicts))
    return [Section(f"Beside {names[id(base)]}, in rounds", tuple(sentences), _HEADER, tuple(rows))]


def _name_runs(runs: Sequence[Run]) -> list[str]:
    """Artifact and recipe, with a number where one of them was measured twice."""
    names = [f"{run.artifact.name}.{run.artifact.recipe}" for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} #{names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]


def _tell_method(verdicts: Sequence[PairedVerdict]) -> str:
    seed = verdicts[0].seed
    if any(verdict.exact for verdict in verdicts):
        return f"Counts are compared exactly, as far as they repeat; the order was drawn from seed {seed}."
    several = f" Each of the {len(verdicts)} answers has this confidence of its own." if verdicts[1:] else ""
    return (
        "Signed ranks of the log ratios of each round's medians; every round ran all artifacts once, in an "
        f"order drawn from seed {seed}.{several}"
    )


def _seen(verdict: PairedVerdict) -> str:
    if verdict.detectable is None:
        return ""
    if verdict.exact:
        return f"A difference of {verdict.detectable:.2%} would have been seen."
    return f"A difference of {verdict.detectable:.2%} would have been seen {POWER:.0%} of the time."


def _row(name: str, verdict: PairedVerdict) -> Row:
    ends, seen = "none", "nothing"
    if verdict.low is not None and verdict.high is not None and verdict.detectable is not None:
        ends = f"{verdict.low:.4g} to {verdict.high:.4g}"
        seen = f"{verdict.detectable:.2%} or more"
    answer = verdict.answer if not verdict.exact else _IN_COUNTS[verdict.answer]
    inferences = " and ".join(map(str, verdict.inferences))
    return (name, answer, format_ratio(verdict.ratio, 1), ends, seen, str(verdict.rounds), inferences)


_IN_COUNTS = {
    "faster": "fewer instructions",
    "slower": "more instructions",
    "no difference seen": "no difference seen",
    "cannot tell": "cannot tell",
}
