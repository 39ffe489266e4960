"""Where an inference goes: recipes side by side by the user's modules, or each recipe's own operators."""

from collections.abc import Sequence

from edgeq.report.section import Section
from edgeq.results.records import Missing, Operator, Run, Unit
from edgeq.results.stats import summarize
from edgeq.units import format_quantity, format_ratio

_MOST = 12
_ELSEWHERE = "operators without weights"
# XNNPACK reports kernel times in whole microseconds; under five of these a ratio means nothing.
_STEP = {"insn": 1000.0, "s": 1e-6}
_LEAST_STEPS = 5


def operator_sections(runs: Sequence[Run]) -> list[Section]:
    """Operators of one artifact's runs; side by side when every run knows the same modules."""
    traced = [run for run in runs if not isinstance(run.operators, Missing) and run.operators]
    modules = [frozenset(row.module for row in _rows(run) if row.module) for run in traced]
    if len(traced) > 1 and modules[0] and len(set(modules)) == 1:
        return [_side_by_side(traced)]
    return [_own(run) for run in traced]


def _rows(run: Run) -> tuple[Operator, ...]:
    return () if isinstance(run.operators, Missing) else run.operators


def _side_by_side(runs: Sequence[Run]) -> Section:
    costs = [_by_module(run) for run in runs]
    unit = _rows(runs[0])[0].unit
    layers = list(dict.fromkeys(row.module for row in _rows(runs[0]) if row.module))
    shown = sorted(layers, key=lambda module: costs[0][module], reverse=True)[:_MOST]
    rest = [module for module in layers if module not in shown]
    groups: list[tuple[str, tuple[str, ...]]] = [(module, (module,)) for module in layers if module in shown]
    if rest:
        groups.append((f"{len(rest)} other layers", tuple(rest)))
    groups += [
        (name, (name,)) for name in dict.fromkeys(key for cost in costs for key in cost) if name not in layers
    ]
    rows = []
    for name, members in groups:
        totals = [sum(cost.get(member, 0.0) for member in members) for cost in costs]
        kernel = _kernel(runs[-1], name)
        ratios = [_ratio(total, totals[0], _STEP[unit]) for total in totals[1:]]
        rows.append((name, kernel, *(_cost(total, unit) for total in totals), *ratios))
    names = [run.artifact.recipe for run in runs]
    header = ("module", f"kernel ({names[-1]})", *names, *(f"{name} / {names[0]}" for name in names[1:]))
    title = f"{runs[0].artifact.name}: where an inference goes"
    return Section(title, tuple(_sentence(run) for run in runs), header, tuple(rows))


def _cost(total: float, unit: Unit) -> str:
    return format_quantity(total, unit) if total >= _STEP[unit] else f"< {format_quantity(_STEP[unit], unit)}"


def _ratio(new: float, base: float, step: float) -> str:
    return format_ratio(new, base) if min(new, base) >= _LEAST_STEPS * step else ""


def _by_module(run: Run) -> dict[str, float]:
    """Cost by the user's module; what has none by its own name if it is overhead, else under one name."""
    costs: dict[str, float] = {}
    for row in _rows(run):
        key = row.module or (row.kernel if row.precision == "none" else _ELSEWHERE)
        costs[key] = costs.get(key, 0.0) + row.total
    return costs


def _kernel(run: Run, module: str) -> str:
    return next((row.kernel.partition(" #")[0] for row in _rows(run) if row.module == module), "")


def _own(run: Run) -> Section:
    rows = _rows(run)
    whole = sum(row.total for row in rows)
    dearest = sorted((row for row in rows if row.total), key=lambda row: row.total, reverse=True)[:_MOST]
    cells = tuple(
        (
            row.kernel,
            row.module or "",
            "" if row.precision == "none" else row.precision,
            _cost(row.total, row.unit),
            f"{row.total / whole:.1%}",
        )
        for row in dearest
    )
    title = f"{run.artifact.name}.{run.artifact.recipe}: operators ({len(dearest)} dearest of {len(rows)})"
    return Section(title, (_sentence(run),), ("operator", "module", "precision", "cost", "share"), cells)


def _sentence(run: Run) -> str:
    rows = _rows(run)
    whole = format_quantity(sum(row.total for row in rows), rows[0].unit)
    latency = run.find_series("latency")
    untraced = ""
    if latency is not None and latency.values:
        untraced = f", {format_quantity(summarize(latency.values).median, latency.unit)} untraced"
    return f"{run.artifact.recipe}: one traced inference is {whole}{untraced}; the difference is the tracing."
