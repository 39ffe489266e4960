"""Runs as CSV: one row for each statistic of each quantity; what was not measured has a row with the reason.

Columns: `run, artifact, recipe, device, kind, clock, quantity, statistic, value, unit, n, missing, status,
invalid, source`. A text that a spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from edgeq.results.records import Closeness, Missing, OutputCheck, Run
from edgeq.results.stats import summarize

_RUN = ("run", "artifact", "recipe", "device", "kind", "clock")
COLUMNS = (*_RUN, "quantity", "statistic", "value", "unit", "n", "missing", "status", "invalid", "source")
_STATISTICS = ("minimum", "p10", "median", "p90", "p99", "maximum", "mad")
_RUNGS = ("eager", "converted", "host", "device")
# OWASP, "CSV Injection": characters that make a spreadsheet compute a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Quantity:
    """One row: a value with unit and number of values, or the reason why there is none.

    `source` is that of a series: what was read, and by which sensor.
    """

    quantity: str
    statistic: str
    value: float | int | None
    unit: str
    n: int | None = None
    missing: str = ""
    source: str = ""


def render_csv(runs: Sequence[Run]) -> str:
    """All quantities of `runs`, with a header; lines end in a newline."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        device = run.device
        which = ("", "", "") if device is None else (device.profile, device.kind, device.clock)
        facts = [_text(fact) for fact in (run.id, run.artifact.name, run.artifact.recipe, *which)]
        standing = [_text(fact) for fact in (run.status, "; ".join(run.invalid))]
        for quantity in read_quantities(run):
            *cells, source = (
                "" if cell is None else _text(cell) if isinstance(cell, str) else cell
                for cell in astuple(quantity)
            )
            writer.writerow([*facts, *cells, *standing, source])
    return out.getvalue()


def read_quantities(run: Run) -> Iterator[Quantity]:
    """Every quantity of a run: series, memory, accuracy, delegation, outputs, conditions."""
    yield from _series(run)
    yield Quantity("program", "value", run.artifact.bytes, "B")
    yield from _memory(run)
    yield from _accuracy(run)
    if run.artifact.delegation is not None:
        yield Quantity("delegation.delegated", "value", run.artifact.delegation.delegated, "1")
        yield Quantity("delegation.total", "value", run.artifact.delegation.total, "1")
        if (macs := run.artifact.delegation.macs) is not None:
            yield Quantity("delegation.macs_delegated", "value", macs[0], "1")
            yield Quantity("delegation.macs_total", "value", macs[1], "1")
    yield from _outputs(run)
    for when, readings in (("before", run.conditions.before), ("after", run.conditions.after)):
        for name, reading in readings.items():
            number = reading.value if isinstance(reading.value, int | float) else None
            if number is not None or reading.missing is not None:
                yield Quantity(
                    f"condition.{name}", when, number, reading.unit or "", missing=reading.missing or ""
                )


def _series(run: Run) -> Iterator[Quantity]:
    for series in run.series:
        if series.phase == "warmup" or not series.values:
            continue
        summary = summarize(series.values)
        for statistic in _STATISTICS:
            value = getattr(summary, statistic)
            if value is None or (statistic == "mad" and summary.n == 1):
                continue
            yield Quantity(series.name, statistic, value, series.unit, summary.n, source=series.source)
    latency = run.find_series("latency")
    gaps = dict(run.not_measured)
    if latency is None or not latency.values:
        gaps.setdefault("latency", "this run measured no latency")
        if run.error is not None:
            gaps["latency"] = f"failed at {run.error.stage}: {run.error.message}"
    for name, reason in gaps.items():
        yield Quantity(name, "median", None, "", missing=reason)


def _memory(run: Run) -> Iterator[Quantity]:
    if run.memory is None:
        yield Quantity("memory", "value", None, "B", missing="this run measured no memory")
        return
    for part in run.memory.__struct_fields__:
        value = getattr(run.memory, part)
        if isinstance(value, Missing):
            yield Quantity(f"memory.{part}", "value", None, "B", missing=value.missing)
        else:
            yield Quantity(f"memory.{part}", "value", value, "B")


def _accuracy(run: Run) -> Iterator[Quantity]:
    for rung in _RUNGS:
        for metric, value in getattr(run.artifact.accuracy, rung).items():
            if isinstance(value, str):
                yield Quantity(f"accuracy.{rung}", "value", None, "1", missing=value)
            else:
                yield Quantity(f"accuracy.{rung}.{metric}", "value", value, "1")
        if (closeness := run.artifact.accuracy.agreement.get(rung)) is not None:
            yield from _closeness(f"agreement.{rung}", closeness)


def _outputs(run: Run) -> Iterator[Quantity]:
    found = run.outputs
    if found is None:
        yield Quantity("outputs", "value", None, "", missing="this run compared no outputs")
        return
    yield from _closeness("outputs", found)
    if found.missing is None:
        within = None if found.within is None else int(found.within)
        why = "the outputs were not judged" if within is None else ""
        yield Quantity("outputs.within", "value", within, "1", found.samples, missing=why)


def _closeness(what: str, found: OutputCheck | Closeness) -> Iterator[Quantity]:
    if found.missing is not None:
        yield Quantity(what, "value", None, "", missing=found.missing)
        return
    for name, unit in (("max_abs_error", "1"), ("sqnr_db", "dB"), ("top1_agreement", "1")):
        value = getattr(found, name)
        if value is not None:
            yield Quantity(f"{what}.{name}", "value", value, unit, found.samples)


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
