"""What one recipe did to a model against another on one device: a sentence, numbers, how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.report.paired import tell_pair
from edgeq.report.sections import counts_instructions
from edgeq.results.interval import CONFIDENCE, LEAST_VALUES, bound_ratio
from edgeq.results.likeness import find_differences
from edgeq.results.records import Metrics, Run
from edgeq.results.stats import Summary, summarize
from edgeq.units import format_quantity, format_ratio

# From the device upwards: the nearer the rung to the device, the more the number says.
RUNGS = (
    ("device", "on the device"),
    ("host", "of the .pte on the host"),
    ("converted", "of the converted model"),
)


@dataclass(frozen=True)
class Tile:
    """One number to read first: what it is, the number, and what it is made of."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Verdict:
    """A recipe beside the base: the sentence (none for one alone), its numbers, how sure they are."""

    title: str
    sentence: str
    tiles: tuple[Tile, ...]
    sureness: tuple[str, ...]
    failed: bool = False


def is_emulated(run: Run) -> bool:
    """Whether the run's numbers are of an emulated device."""
    return run.device is not None and run.device.kind == "emulated"


def find_base(runs: Sequence[Run]) -> Run:
    """The run that the others are set beside: the first `fp32` that is ok, else the first that is ok."""
    fine = [run for run in runs if run.status == "ok"] or list(runs)
    return next((run for run in fine if run.artifact.recipe == "fp32"), fine[0])


def label_runs(runs: Sequence[Run]) -> list[str]:
    """A name for each run of one artifact: its recipe, numbered when there are several of it."""
    recipes = [run.artifact.recipe for run in runs]
    return [
        recipe if recipes.count(recipe) == 1 else f"{recipe} #{recipes[: index + 1].count(recipe)}"
        for index, recipe in enumerate(recipes)
    ]


def latency_of(run: Run) -> tuple[Summary, str] | None:
    """Summary and unit of the measured latency, or None."""
    series = run.find_series("latency")
    return None if series is None or not series.values else (summarize(series.values), series.unit)


def shared_metric(runs: Sequence[Run]) -> tuple[str, str, str] | None:
    """Metric, rung and the rung in words that all `runs` have, nearest to the device first; or None."""
    for rung, words in RUNGS:
        ladders = [rung_of(run, rung) for run in runs]
        for name, value in ladders[0].items():
            if isinstance(value, int | float) and all(
                isinstance(each.get(name), int | float) for each in ladders
            ):
                return name, rung, words
    return None


def rung_of(run: Run, rung: str) -> Metrics:
    """The metrics of one rung of the accuracy ladder."""
    metrics: Metrics = getattr(run.artifact.accuracy, rung)
    return metrics


def judge(runs: Sequence[Run]) -> list[Verdict]:
    """Every other run of one artifact beside the base; the base alone when no other is ok."""
    base = find_base(runs)
    labels = dict(zip(map(id, runs), label_runs(runs), strict=True))
    others = [run for run in runs if run is not base]
    alone = [] if any(run.status == "ok" for run in others) else [_alone(base)]
    return [*alone, *(_beside(base, run, labels[id(base)], labels[id(run)]) for run in others)]


def _alone(run: Run) -> Verdict:
    recipe = run.artifact.recipe
    if run.status == "failed":
        return _failed(run, recipe)
    tiles = [_latency_tile(run), _size_tile(run), _accuracy_tile(run), _peak_tile(run)]
    return Verdict(recipe, "", tuple(tiles), (_repeatability(run, recipe), *_outputs(run, recipe)))


def _failed(run: Run, label: str) -> Verdict:
    error = run.error
    why = "no reason was recorded" if error is None else f"at {error.stage}: {error.message}"
    hint = "" if error is None or not error.hint else f" {error.hint}"
    return Verdict(label, f"{label} failed {why}.{hint}", (), (), failed=True)


def _beside(base: Run, run: Run, base_label: str, label: str) -> Verdict:
    if run.status == "failed":
        return _failed(run, label)
    title = f"{label} beside {base_label}"
    tiles = (
        _latency_tile(run, base),
        _size_tile(run, base),
        _accuracy_tile(run, base),
        _peak_tile(run, base),
    )
    sureness = [
        _repeatability(base, base_label),
        _repeatability(run, label),
        _certainty(base, run, base_label, label),
        _conditions(base, run),
        *_outputs(run, label),
    ]
    return Verdict(
        title, _sentence(base, run, base_label, label), tiles, tuple(text for text in sureness if text)
    )


def _sentence(base: Run, run: Run, base_label: str, label: str) -> str:
    parts = []
    old, new = latency_of(base), latency_of(run)
    if old and new and old[1] == new[1] and old[0].median:
        what = "instructions" if new[1] == "insn" else "time"
        change = _change(new[0].median / old[0].median, "less" if what == "time" else "fewer", "more")
        parts.append(f"takes {change} {what} per inference")
    else:
        parts.append("has no latency beside it")
    size = _change(run.artifact.bytes / (base.artifact.bytes or 1), "smaller", "larger")
    parts.append(f"its program is {size}")
    metric = shared_metric((base, run))
    if metric is None:
        parts.append("there is no accuracy of both to compare")
    else:
        before, after = (float(rung_of(each, metric[1])[metric[0]]) for each in (base, run))
        change = "is unchanged" if after == before else f"goes from {before:.4f} to {after:.4f}"
        parts.append(f"{metric[0]} {metric[2]} {change}")
    where = (
        "" if run.device is None else f" on {run.device.profile}{' (emulated)' if is_emulated(run) else ''}"
    )
    return f"Against {base_label}, {label}{where} {'; '.join(parts)}."


def _change(ratio: float, less: str, more: str) -> str:
    if abs(ratio - 1) < 0.0005:
        return "as many" if less == "fewer" else "as much" if less == "less" else "of the same size"
    return f"{abs(1 - ratio):.1%} {less if ratio < 1 else more}"


def _latency_tile(run: Run, base: Run | None = None) -> Tile:
    label = "instructions per inference, emulated" if counts_instructions([run]) else "latency per inference"
    new = latency_of(run)
    if new is None:
        return Tile(label, "not measured", run.not_measured.get("latency", "no latency series in this run"))
    now = format_quantity(new[0].median, new[1])
    old = None if base is None else latency_of(base)
    if base is None:
        return Tile(label, now, f"median of {new[0].n}")
    if old is None or old[1] != new[1]:
        return Tile(label, now, f"{base.artifact.recipe}: not measured")
    detail = f"{format_quantity(old[0].median, old[1])} → {now}, medians"
    return Tile(label, format_ratio(new[0].median, old[0].median), detail)


def _size_tile(run: Run, base: Run | None = None) -> Tile:
    now = format_quantity(run.artifact.bytes, "B")
    if base is None:
        return Tile("program file", now, "size of the .pte")
    detail = f"{format_quantity(base.artifact.bytes, 'B')} → {now}"
    return Tile("program file", format_ratio(run.artifact.bytes, base.artifact.bytes), detail)


def _accuracy_tile(run: Run, base: Run | None = None) -> Tile:
    metric = shared_metric([run] if base is None else [base, run])
    if metric is None:
        missing = (rung_of(each, "device").get("missing") for each in (run, base) if each is not None)
        reason = next((why for why in missing if isinstance(why, str)), "the runs share no metric")
        return Tile("accuracy", "not measured", reason)
    name, rung, words = metric
    now = float(rung_of(run, rung)[name])
    if base is None:
        return Tile(name, f"{now:.4f}", words)
    before = float(rung_of(base, rung)[name])
    return Tile(
        name, f"{now - before:+.4f}" if now != before else "unchanged", f"{before:.4f} → {now:.4f}, {words}"
    )


def _peak_tile(run: Run, base: Run | None = None) -> Tile:
    now = None if run.memory is None else run.memory.rss_peak
    if not isinstance(now, int):
        reason = "no memory in this run" if now is None else now.missing
        return Tile("peak memory (RSS)", "not measured", reason)
    before = None if base is None or base.memory is None else base.memory.rss_peak
    if not isinstance(before, int):
        return Tile("peak memory (RSS)", format_quantity(now, "B"), "runner and libraries included")
    detail = f"{format_quantity(before, 'B')} → {format_quantity(now, 'B')}, runner included"
    return Tile("peak memory (RSS)", format_ratio(now, before), detail)


def _repeatability(run: Run, label: str) -> str:
    found = latency_of(run)
    if found is None:
        return f"{label}: no latency was measured."
    summary, unit = found
    if summary.n == 1:
        return f"{label}: one inference was measured, so nothing is known about its spread."
    if summary.spread == 0:
        return f"{label}: {summary.n} inferences, all the same."
    low, p10, p90, high = (
        format_quantity(value, unit) for value in (summary.minimum, summary.p10, summary.p90, summary.maximum)
    )
    return (
        f"{label}: {summary.n} inferences, four fifths of them from {p10} to {p90}, all from {low} to {high}."
    )


def _certainty(base: Run, run: Run, base_label: str, label: str) -> str:
    """What is known of the ratio: an interval on a wall clock, else whether the values lie apart."""
    if told := tell_pair(base, run, base_label, label):
        return told
    old, new = base.find_series("latency"), run.find_series("latency")
    if old is None or new is None or old.unit != new.unit or min(len(old.values), len(new.values)) < 2:
        return ""
    if new.unit == "s" and min(len(old.values), len(new.values)) >= LEAST_VALUES and min(old.values) > 0:
        ratio = bound_ratio(old.values, new.values)
        unsteady = "" if ratio.steady else " A series drifted or stepped: the interval spans its levels."
        return (
            f"With {CONFIDENCE:.0%} confidence {label} takes {ratio.low:.3g} to {ratio.high:.3g} times "
            f"the time of {base_label}.{unsteady}"
        )
    # Not the extremes: a timer interrupt falls into one inference of many, and says nothing of the program.
    before, now = summarize(old.values), summarize(new.values)
    both = f"The middle four fifths of the values of {label} and {base_label}"
    if now.p90 < before.p10 or before.p90 < now.p10:
        return f"{both} lie apart: the difference is no noise of these runs."
    return f"{both} overlap: read the ratio with care."


def _conditions(base: Run, run: Run) -> str:
    differing = find_differences(base, run)
    words = "; ".join(f"{each.name} {each.base} and {each.new}" for each in differing)
    return f"The two were run under unlike conditions: {words}." if words else ""


def _outputs(run: Run, label: str) -> tuple[str, ...]:
    check = run.outputs
    if check is None or check.missing is not None:
        reason = "" if check is None else f": {check.missing}"
        return (f"{label}: its outputs were not compared with the reference{reason}.",)
    sqnr = "equal to the bit" if check.sqnr_db is None else f"SQNR {check.sqnr_db:.1f} dB"
    word = "agree with" if check.within else "ARE OFF from"
    facts = f"{sqnr}; bound: {check.bound}; {check.samples} samples"
    return (f"{label}: its outputs {word} those of the same program on the host ({facts}).",)
