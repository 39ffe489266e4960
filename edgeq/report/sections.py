"""A report as data: titled sections of sentences and tables, made from Runs and rendered as text or Markdown.

Every number of an emulated device carries the word *emulated*; what was not measured says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from edgeq.report.accuracy import accuracy_sections
from edgeq.report.delegation import left_out, tell_cost, tell_macs, tell_nodes
from edgeq.report.distribution import distribution_sections
from edgeq.report.during import tell_during
from edgeq.report.energy import energy_sections
from edgeq.report.operators import operator_sections
from edgeq.report.paired import paired_sections
from edgeq.report.policy import describe_policy
from edgeq.report.section import Section
from edgeq.report.sustained import sustained_sections
from edgeq.results.memory import packed_bytes
from edgeq.results.records import Memory, Metrics, Missing, Reading, Run
from edgeq.results.stats import summarize
from edgeq.units import format_quantity, format_ratio

NOT_REACHED = "a device not reached"


@dataclass(frozen=True)
class Figure:
    """A quantity of a run as text, and as a number when it can be set beside another run's.

    `score` says that the number is compared by difference (an accuracy), not by ratio.
    """

    text: str
    number: float | None = None
    score: bool = False


Quantity = tuple[str, Callable[[Run], Figure]]


def report_sections(runs: Sequence[Run]) -> list[Section]:
    """All sections for the runs of one device, artifact by artifact.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a report needs at least one run")
    sections = [describe_device(runs), *paired_sections(runs)]
    for name, same in group_by_artifact(runs).items():
        sections += [compare_recipes(name, same), *accuracy_sections(same), *distribution_sections(same)]
        sections += [*sustained_sections(same), *energy_sections(same)]
        sections += [*operator_sections(same), *left_out(same)]
    return [*sections, *notes(runs), conditions(runs)]


def group_by_device(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by the name of their device profile, in order; `NOT_REACHED` for those without a device."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.device.profile if run.device else NOT_REACHED, []).append(run)
    return groups


def group_by_artifact(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by the name of their artifact, in order."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.artifact.name, []).append(run)
    return groups


def describe_device(runs: Sequence[Run]) -> Section:
    """Which device it was and what its clock means."""
    device = next((run.device for run in runs if run.device is not None), None)
    if device is None:
        return Section("Device", ("The device was not reached.",))
    facts = (
        f"{device.profile}: {device.cpu}, {device.arch}, {device.os}, kernel {device.kernel}, {device.libc}.",
        f"CPU features: {' '.join(device.features) or 'none told'}.",
    )
    return Section("Device", (*facts, clock_sentence(runs)))


def clock_sentence(runs: Sequence[Run]) -> str:
    """What kind of number the latencies are; nothing of a device that was not reached."""
    device = next((run.device for run in runs if run.device is not None), None)
    if device is None:
        return ""
    if device.clock == "instructions":
        return (
            "This device is emulated and has an instruction clock: one tick is one guest instruction. "
            "Counts repeat and can be compared with each other; they are not time on a real device."
        )
    if device.clock == "none":
        return (
            "This device is emulated and has no clock: its outputs and its memory by part are those of the "
            "program, and nothing was timed."
        )
    return "Latency was measured on the device's own monotonic clock."


def clock_badge(runs: Sequence[Run]) -> str:
    """What must be seen at once beside numbers that are not of real silicon; empty for those that are."""
    device = next(
        (run.device for run in runs if run.device is not None and run.device.kind == "emulated"), None
    )
    if device is None:
        return ""
    return f"emulated, {'no' if device.clock == 'none' else 'instruction'} clock"


def counts_instructions(runs: Sequence[Run]) -> bool:
    """Whether what stands for a latency in `runs` is a count of an emulated device."""
    return any(run.device is not None and run.device.clock == "instructions" for run in runs)


def compare_recipes(name: str, runs: Sequence[Run]) -> Section:
    """One artifact's recipes side by side, with the ratio of each to the first."""
    base = runs[0]
    header = [name] + [run.artifact.recipe for run in runs]
    header += [f"{run.artifact.recipe} / {base.artifact.recipe}" for run in runs[1:]]
    rows = []
    for label, figure in _quantities(runs):
        figures = [figure(run) for run in runs]
        # The numbers of a failed run are shown, and not compared.
        ratios = [
            _ratio(each, figures[0]) if run.status == base.status == "ok" else ""
            for each, run in zip(figures[1:], runs[1:], strict=True)
        ]
        rows.append((label, *(each.text for each in figures), *ratios))
    return Section(
        f"{name}: {' beside '.join(run.artifact.recipe for run in runs)}", (), tuple(header), tuple(rows)
    )


def _ratio(new: Figure, base: Figure) -> str:
    if new.number is None or base.number is None:
        return ""
    if new.score:
        return f"{new.number - base.number:+.4f}"
    return format_ratio(new.number, base.number)


def _quantities(runs: Sequence[Run]) -> list[Quantity]:
    what = "instructions per inference (emulated)" if counts_instructions(runs) else "latency per inference"
    metrics = dict.fromkeys(
        key
        for run in runs
        for rung in (run.artifact.accuracy.eager, run.artifact.accuracy.device)
        for key in rung
        if key != "missing"
    )
    rows: list[Quantity] = [
        ("status", lambda run: Figure(run.standing)),
        (f"{what}, median", lambda run: _statistic(run, "latency", "median")),
        ("p10", lambda run: _statistic(run, "latency", "p10")),
        ("p90", lambda run: _statistic(run, "latency", "p90")),
        ("inferences measured", _count),
        ("of each, the runner's own part", lambda run: Figure(_statistic(run, "empty", "median").text)),
        ("first inference", lambda run: _statistic(run, "first", "median")),
        ("load program", lambda run: _statistic(run, "load", "median")),
        ("init method", lambda run: _statistic(run, "init", "median")),
        *_cold_quantities(runs),
        ("program file", lambda run: _memory(run, "program")),
        ("planned arena", lambda run: _memory(run, "arena")),
        ("heap after load", lambda run: _memory(run, "heap_loaded")),
        ("of it, packed weights and workspace", _packed),
        ("peak RSS", lambda run: _memory(run, "rss_peak")),
        *_pss_quantities(runs),
        ("RSS before load", lambda run: Figure(_memory(run, "rss_start").text)),
    ]
    for metric in metrics:
        for rung in ("eager", "converted", "host", "device"):
            where = "host .pte" if rung == "host" else "device .pte" if rung == "device" else rung
            rows.append((f"{metric}, {where}", _metric(rung, metric)))
    rows += [
        ("delegated, by nodes", lambda run: Figure(tell_nodes(run.artifact.delegation))),
        ("delegated, by multiply-accumulates", lambda run: Figure(tell_macs(run.artifact.delegation))),
        (f"delegated, by {'instructions' if counts_instructions(runs) else 'time'} of kernels", _by_cost),
        ("outputs as the reference", _outputs),
        ("SQNR against the reference", lambda run: _check(run, "sqnr_db", "{:.1f} dB", "equal to the bit")),
        (
            "largest error against the reference",
            lambda run: _check(run, "max_abs_error", "{:.3g}", "not measured"),
        ),
        (
            "top-1 agreement with the reference",
            lambda run: _check(run, "top1_agreement", "{:.1%}", "no classes"),
        ),
    ]
    return rows


def _cold_quantities(runs: Sequence[Run]) -> list[Quantity]:
    """Rows of a load without the page cache, when one of the runs has it."""
    names = {"load.cold": "load program, cold", "init.cold": "init method, cold", "first.cold": "first, cold"}
    return [
        (label, partial(_statistic, name=name, field="median"))
        for name, label in names.items()
        if any(run.find_series(name) for run in runs)
    ]


def _pss_quantities(runs: Sequence[Run]) -> list[Quantity]:
    measured = any(run.memory is not None and isinstance(run.memory.pss_peak, int) for run in runs)
    return [("peak PSS", partial(_memory, field="pss_peak"))] if measured else []


def _packed(run: Run) -> Figure:
    value = None if run.memory is None else packed_bytes(run.memory)
    if isinstance(value, int):
        return Figure(format_quantity(value, "B"), float(value))
    return Figure(f"not measured: {value.missing}" if isinstance(value, Missing) else "not measured")


def _statistic(run: Run, name: str, field: str) -> Figure:
    series = run.find_series(name)
    if series is None or not series.values:
        return Figure("not measured")
    value = float(getattr(summarize(series.values), field))
    return Figure(format_quantity(value, series.unit), value)


def _count(run: Run) -> Figure:
    series = run.find_series("latency")
    return Figure("0" if series is None else str(len(series.values)))


def _memory(run: Run, field: str) -> Figure:
    value = None if run.memory is None else getattr(run.memory, field)
    if isinstance(value, int):
        return Figure(format_quantity(value, "B"), float(value))
    return Figure(f"not measured: {value.missing}" if isinstance(value, Missing) else "not measured")


def _metric(rung: str, metric: str) -> Callable[[Run], Figure]:
    def figure(run: Run) -> Figure:
        metrics: Metrics = getattr(run.artifact.accuracy, rung)
        value = metrics.get(metric)
        if isinstance(value, int | float):
            return Figure(f"{value:.4f}", float(value), score=True)
        return Figure("not measured")

    return figure


def _by_cost(run: Run) -> Figure:
    return Figure(tell_cost(run))


def _outputs(run: Run) -> Figure:
    check = run.outputs
    if check is None:
        return Figure("not measured")
    if check.missing is not None:
        return Figure(f"not measured: {check.missing}")
    return Figure(f"{'yes' if check.within else 'NO'} ({check.bound}, {check.samples} samples)")


def _check(run: Run, field: str, form: str, none: str) -> Figure:
    if run.outputs is None or run.outputs.bound is None:
        return Figure("not measured")
    value = getattr(run.outputs, field)
    return Figure(none if value is None else form.format(value))


def notes(runs: Sequence[Run]) -> list[Section]:
    """Failures, warnings and what was not measured."""
    sentences = []
    for run in runs:
        label = f"{run.artifact.name}.{run.artifact.recipe}"
        if run.error is not None:
            hint = f" {run.error.hint}" if run.error.hint else ""
            sentences.append(f"{label} failed at {run.error.stage}: {run.error.message}.{hint}")
        if run.invalid:
            sentences.append(f"{label} is not valid: {'; '.join(run.invalid)}.")
        sentences += [f"{label}: {warning.message}" for warning in run.warnings]
        sentences += [f"{label}, {what}: not measured: {why}" for why, what in _missing(run).items()]
    return [Section("Notes", tuple(sentences))] if sentences else []


def _missing(run: Run) -> dict[str, str]:
    """What was not measured, by the reason."""
    accuracy = run.artifact.accuracy
    rungs = {
        f"accuracy ({name})": getattr(accuracy, name).get("missing")
        for name in ("eager", "converted", "host", "device")
    }
    parts: dict[str, object] = {**run.not_measured, **rungs, "operators": run.operators}
    if isinstance(run.memory, Memory):
        parts |= {name: getattr(run.memory, name) for name in run.memory.__struct_fields__}
    found: dict[str, str] = {}
    for name, value in parts.items():
        reason = value.missing if isinstance(value, Missing) else value if isinstance(value, str) else None
        if reason is not None:
            found[reason] = f"{found[reason]}, {name}" if reason in found else name
    return found


def conditions(runs: Sequence[Run]) -> Section:
    """Readings before the first and after the last run, and what was sampled in between."""
    before, after, during = runs[0].conditions.before, runs[-1].conditions.after, tell_during(runs)
    rows = []
    for name in dict.fromkeys([*before, *after, *during]):
        cells = [_tell_reading(readings.get(name)) for readings in (before, after)]
        rows.append((name, cells[0], during.get(name, ""), cells[1]) if during else (name, *cells))
    header = ("reading", "before", *(("while measured",) if during else ()), "after")
    return Section("Conditions", (describe_policy(runs[0].spec) + ".",), header, tuple(rows))


def _tell_reading(reading: Reading | None) -> str:
    if reading is None:
        return ""
    if reading.missing is not None:
        return f"not measured: {reading.missing}"
    if isinstance(reading.value, int | float) and reading.unit is not None:
        return format_quantity(reading.value, reading.unit)
    return str(reading.value)
