"""What was sampled of a device while inferences were measured, in a cell for each reading."""

from collections.abc import Sequence

from edgeq.results.records import Run, Unit
from edgeq.results.spans import measured_spans
from edgeq.units import format_quantity

QUANTITIES = ("clock", "temperature", "throttling", "cores", "others")


def tell_during(runs: Sequence[Run]) -> dict[str, str]:
    """The range of each sampled condition over all `runs`, by the name that it has before and after, too."""
    found: dict[str, list[float]] = {}
    units: dict[str, Unit] = {}
    for run in runs:
        spans = measured_spans(run.series, run.pairing)
        for series in run.series:
            if series.phase != "sampled" or series.name.partition(".")[0] not in QUANTITIES:
                continue
            units[series.name] = series.unit
            found.setdefault(series.name, []).extend(
                value
                for at, value in zip(series.times or (), series.values, strict=False)
                if any(begin <= at <= end for begin, end in spans)
            )
    return {name: _tell(values, units[name]) for name, values in found.items() if values}


def _tell(values: Sequence[float], unit: Unit) -> str:
    low, high = (format_quantity(value, unit, digits=3) for value in (min(values), max(values)))
    return f"{low if low == high else f'{low} to {high}'} ({len(values)} samples)"
