"""Power and energy made readable: a row for each sensor, or the reason why it makes no claim."""

from collections.abc import Sequence

from edgeq.report.section import Row, Section
from edgeq.results.energy import CONFIDENCE, Bounds, Energy, find_energies
from edgeq.results.records import Missing, Run, Unit
from edgeq.units import format_quantity

_HEADER = ("recipe", "sensor", "energy per inference, net", "gross", "power", "idle", "samples")


def energy_sections(runs: Sequence[Run]) -> list[Section]:
    """One table with a row for each power sensor of each run; none when power was not measured."""
    found = [(run, source, each) for run in runs for source, each in find_energies(run).items()]
    if not found:
        return []
    sentences = [
        f"Intervals hold with {CONFIDENCE:.0%}, as far as the sensor can be trusted; net leaves out what the "
        "idle device draws."
    ]
    rows: list[Row] = []
    for run, source, each in found:
        if isinstance(each, Missing):
            sentences.append(f"{run.artifact.recipe}, {source}: no energy is claimed: {each.missing}.")
        else:
            rows.append(_row(run.artifact.recipe, source, each))
    title = f"{runs[0].artifact.name}: power and energy"
    return [Section(title, tuple(sentences), _HEADER if rows else (), tuple(rows))]


def _row(recipe: str, source: str, energy: Energy) -> Row:
    return (
        recipe,
        source,
        _tell(energy.net, "J"),
        _tell(energy.gross, "J"),
        _tell(energy.power, "W"),
        _tell(energy.idle, "W"),
        f"{energy.samples}, {energy.independent:.0f} of them independent",
    )


def _tell(bounds: Bounds | Missing, unit: Unit) -> str:
    if isinstance(bounds, Missing):
        return f"not measured: {bounds.missing}"
    value, low, high = (
        format_quantity(each, unit, digits=3) for each in (bounds.value, bounds.low, bounds.high)
    )
    return f"{value} ({low} to {high})"
