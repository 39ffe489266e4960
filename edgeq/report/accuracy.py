"""The accuracy ladder as a table: each rung with its metrics, what it lost, and how close its outputs are."""

from collections.abc import Iterator, Sequence

from edgeq.report.section import Row, Section
from edgeq.results.ladder import Step, list_scores, read_ladder, read_step
from edgeq.results.records import Closeness, Run

RUNGS = {
    "eager": "eager model",
    "converted": "converted model",
    "host": ".pte on the host",
    "device": ".pte on the device",
}

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
        place = run.device.profile if run.device is not None else ""
        steps += read_ladder(run.artifact.recipe, accuracy)
        steps.append(read_step(run.artifact.recipe, accuracy, "device", place))
    name = runs[0].artifact.name
    return [describe_ladder(f"{name}: accuracy, rung by rung", "recipe", steps)] if steps else []


def describe_ladder(title: str, programs: str, steps: Sequence[Step]) -> Section:
    """`steps` as a table with a column `programs`, and what its numbers rest on."""
    metrics = list_metrics(steps)
    header = [programs, "rung"]
    for metric in metrics:
        header += [metric, f"{metric} lost"]
    header += ["SQNR", "largest error", "top-1 agreement", "samples"]
    rows = tuple((step.program, name_rung(step), *tell_step(step, metrics)) for step in steps)
    return Section(title, tuple(_explain(steps)), tuple(header), rows)


def list_metrics(steps: Sequence[Step]) -> list[str]:
    """Every metric that a rung has a number of, in the order of their first mention."""
    return list(dict.fromkeys(metric for step in steps for metric in list_scores(step.metrics)))


def name_rung(step: Step) -> str:
    """A rung in words, with the device where it is one."""
    return f".pte on {step.place}" if step.place else RUNGS.get(step.rung, step.rung)


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
    reasons: dict[str, list[str]] = {}
    for step in steps:
        if step.closeness is not None and step.closeness.missing is not None:
            reasons.setdefault(step.closeness.missing, []).append(f"{step.program} {name_rung(step)}".strip())
    for reason, places in reasons.items():
        yield f"Outputs not compared: {reason} ({', '.join(places)})."
