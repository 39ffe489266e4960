"""How the latencies of one artifact are spread on a wall clock; counted instructions repeat and have none."""

from collections.abc import Sequence

from edgeq.report.section import Row, Section
from edgeq.results.interval import CONFIDENCE, LEAST_VALUES, bound_median
from edgeq.results.records import Run, Series
from edgeq.results.stats import LEAST_FOR_P99, summarize
from edgeq.units import format_quantity

_HEADER = ("recipe", "n", "p50", f"p50, {CONFIDENCE:.0%} confidence", "p90", "p99", "MAD", "least", "most")


def distribution_sections(runs: Sequence[Run]) -> list[Section]:
    """One table with a row for each run that was timed; none when no run was."""
    timed = [(run, series) for run in runs if (series := _find_times(run)) is not None]
    if not timed:
        return []
    rows = tuple(_row(run, series) for run, series in timed)
    sentences = []
    if any("unsteady" in row[3] for row in rows):
        sentences.append(
            "Unsteady: the series drifts or steps, and the interval spans the levels that it went through."
        )
    title = f"{timed[0][0].artifact.name}: how latency is spread"
    return [Section(title, tuple(sentences), _HEADER, rows)]


def _find_times(run: Run) -> Series | None:
    series = run.find_series("latency")
    return series if series is not None and series.unit == "s" and series.values else None


def _row(run: Run, series: Series) -> Row:
    summary = summarize(series.values)

    def text(value: float) -> str:
        return format_quantity(value, series.unit)

    return (
        run.artifact.recipe,
        str(summary.n),
        text(summary.median),
        _interval(series),
        text(summary.p90),
        f"needs {LEAST_FOR_P99} values" if summary.p99 is None else text(summary.p99),
        text(summary.mad) if summary.n > 1 else "needs 2 values",
        text(summary.minimum),
        text(summary.maximum),
    )


def _interval(series: Series) -> str:
    if len(series.values) < LEAST_VALUES:
        return f"needs {LEAST_VALUES} values"
    try:
        interval = bound_median(series.values)
    except ValueError as error:
        return f"none: {error}"
    ends = " to ".join(format_quantity(end, series.unit) for end in (interval.low, interval.high))
    return ends if interval.steady else f"{ends}, unsteady"
