"""The accuracy ladder as a table: each rung with its metrics, what it lost, and how close its outputs are."""

from collections.abc import Iterator, Sequence

from edgeq.report.section import Row, Section
from edgeq.results.ladder import AccuracyReport, Judged, Step, list_scores, read_device_step, read_ladder
from edgeq.results.records import Closeness, Run
from edgeq.results.stats import summarize
from edgeq.units import format_quantity

_SOURCES = {
    "evaluate": "the inputs that evaluate() asked about",
    "calibration": "samples of the calibration set, which the ranges come from",
    "reference": "the example inputs",
}
NOT_MEASURED = "not measured"


def accuracy_sections(runs: Sequence[Run]) -> list[Section]:
    """The ladder of each run of one artifact on one device; none when no run has anything on it."""
    steps: list[Step] = []
    for run in runs:
        accuracy = run.artifact.accuracy
        if "missing" in accuracy.eager and not accuracy.agreement:
            continue
        steps += [*read_ladder(run.artifact.recipe, accuracy), read_device_step(run.artifact.recipe, run)]
    name = runs[0].artifact.name
    return [describe_ladder(f"{name}: accuracy, rung by rung", "recipe", steps)] if steps else []


def describe_ladder(title: str, programs: str, steps: Sequence[Step]) -> Section:
    """`steps` as a table with a column `programs`, and what its numbers rest on."""
    metrics = list_metrics(steps)
    header = (programs, "rung", *_header(metrics))
    rows = tuple((step.program, step.name, *tell_step(step, metrics)) for step in steps)
    return Section(title, tuple(_explain(steps)), header, rows)


def _header(metrics: Sequence[str]) -> Row:
    columns = [column for metric in metrics for column in (metric, f"{metric} lost")]
    return (*columns, "SQNR", "largest error", "top-1 agreement", "samples")


def ladder_sections(report: AccuracyReport) -> list[Section]:
    """All that `edgeq accuracy` found, as tables."""
    title = f"{report.name}: accuracy, rung by rung"
    sections = [describe_ladder(title, "program", report.steps)]
    if report.references:
        sections.append(_describe_references(report))
    if report.judged:
        failed = [each for each in report.judged if each.loss is None or not each.loss.within]
        count = len(report.judged)
        verdict = (
            f"{len(failed)} of {count} losses are not within it"
            if failed
            else f"all {count} losses are within it"
        )
        sentence = f"Allowed is a loss of {report.drop} against the eager model: {verdict}."
        sections.append(Section("Gate", (sentence, _tell_sides(report.judged))))
    return sections


def _tell_sides(judged: Sequence[Judged]) -> str:
    """Which side of each metric was taken for the better one: a name can mislead."""
    sides: dict[str, list[str]] = {}
    for metric, better in dict.fromkeys((each.metric, each.better) for each in judged):
        sides.setdefault(better, []).append(metric)
    told = "; ".join(f"{better} is better for {', '.join(metrics)}" for better, metrics in sides.items())
    return f"By their names, {told}."


def _describe_references(report: AccuracyReport) -> Section:
    """The eager-mode flow beside the programs, with the time that each takes on this host."""
    steps = [reference.step for reference in report.references]
    metrics = list_metrics(steps)
    rows = tuple(
        (each.step.program, *tell_step(each.step, metrics), _tell_times(each.times))
        for each in report.references
    )
    return Section(
        f"{report.name}: beside the eager-mode flow of torch.ao.quantization, on this host",
        (
            "A reference only: what this flow makes cannot be lowered to ExecuTorch, and runs on no device.",
            "Host time is the median of single inferences of one sample on this machine: PyTorch's with one "
            "thread, a program's with those that ExecuTorch takes. It says nothing of a device.",
            *_explain_missing(steps),
        ),
        ("method", *_header(metrics), "host time"),
        rows,
    )


def _tell_times(times: Sequence[float]) -> str:
    return format_quantity(summarize(times).median, "s") if times else NOT_MEASURED


def list_metrics(steps: Sequence[Step]) -> list[str]:
    """Every metric that a rung has a number of, in the order of their first mention."""
    return list(dict.fromkeys(metric for step in steps for metric in list_scores(step.metrics)))


def tell_step(step: Step, metrics: Sequence[str]) -> Row:
    """The cells of one rung: each of `metrics` and its loss, then the outputs beside the eager model's."""
    scores = list_scores(step.metrics)
    cells: list[str] = []
    for metric in metrics:
        lost = step.lost.get(metric)
        cells.append(f"{scores[metric]:.4f}" if metric in scores else NOT_MEASURED)
        cells.append("" if lost is None else f"{lost:.4f}" if lost else "0")
    return (*cells, *_tell_closeness(step.closeness, step.interval))


def _tell_closeness(closeness: Closeness | None, interval: tuple[float, float] | None) -> Row:
    if closeness is None:
        return ("", "", "", "")
    if closeness.missing is not None:
        return ("not compared", "", "", "")
    agreement = "no classes"
    if closeness.top1_agreement is not None and interval is not None:
        agreement = f"{closeness.top1_agreement:.2%} ({interval[0]:.1%} to {interval[1]:.1%})"
    return (
        "equal to the bit" if closeness.sqnr_db is None else f"{closeness.sqnr_db:.1f} dB",
        f"{closeness.max_abs_error or 0.0:.3g}",
        agreement,
        str(closeness.samples),
    )


def _explain(steps: Sequence[Step]) -> Iterator[str]:
    yield "Lost: how much worse than the eager model, in the metric's own unit; less than 0 is better."
    found = [step.closeness for step in steps if step.closeness and step.closeness.missing is None]
    for source in dict.fromkeys(each.source for each in found):
        yield f"Outputs are set beside the eager model's on {_SOURCES.get(str(source), str(source))}."
    asked = [step for step in steps if step.closeness is not None and step.closeness.source == "evaluate"]
    if any(step.interval for step in steps):
        yield "In brackets is the 95% interval (Wilson) of the top-1 agreement."
    if lows := [step.interval[0] for step in asked if step.interval]:
        yield (
            f"So many samples cannot rule out that top-1 drops by {1 - min(lows):.1%} "
            "on more data of their kind."
        )
    yield from _explain_missing(steps)


def _explain_missing(steps: Sequence[Step]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for step in steps:
        if step.closeness is not None and step.closeness.missing is not None:
            reasons.setdefault(step.closeness.missing, []).append(f"{step.program} {step.name}".strip())
    for reason, places in reasons.items():
        yield f"Outputs not compared: {reason} ({', '.join(places)})."
