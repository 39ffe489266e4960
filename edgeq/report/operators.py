"""Where an inference goes: recipes side by side by the user's modules, or each recipe's own operators."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.report.section import Section
from edgeq.results.blame import RESOLUTION
from edgeq.results.records import Missing, Operator, Run, Unit
from edgeq.results.stats import summarize
from edgeq.units import format_quantity, format_ratio

_MOST = 12
_ELSEWHERE = "operators without weights"
# Under five steps of the kernels' clock a ratio means nothing.
_LEAST_STEPS = 5


@dataclass(frozen=True)
class CostGroup:
    """What part of an inference costs, in the unit of the operators: one total for each run."""

    label: str
    kernel: str
    totals: tuple[float, ...]


def operator_sections(runs: Sequence[Run]) -> list[Section]:
    """Operators of one artifact's runs; side by side when every run knows the same modules."""
    traced = traced_runs(runs)
    return [_side_by_side(traced)] if are_aligned(traced) else [_own(run) for run in traced]


def traced_runs(runs: Sequence[Run]) -> list[Run]:
    """The runs that know their operators."""
    return [run for run in runs if _rows(run)]


def are_aligned(runs: Sequence[Run]) -> bool:
    """Whether there are several runs, and all know the same modules."""
    modules = [frozenset(row.module for row in _rows(run) if row.module) for run in runs]
    return len(runs) > 1 and bool(modules[0]) and len(set(modules)) == 1


def cost_groups(runs: Sequence[Run]) -> list[CostGroup]:
    """Costs of aligned runs by the user's modules: the dearest in order of execution, the others as one."""
    costs = [_by_module(run) for run in runs]
    layers = list(dict.fromkeys(row.module for row in _rows(runs[0]) if row.module))
    shown = sorted(layers, key=lambda module: costs[0][module], reverse=True)[:_MOST]
    rest = [module for module in layers if module not in shown]
    groups: list[tuple[str, tuple[str, ...]]] = [(module, (module,)) for module in layers if module in shown]
    if rest:
        groups.append((f"{len(rest)} other layers", tuple(rest)))
    groups += [
        (name, (name,)) for name in dict.fromkeys(key for cost in costs for key in cost) if name not in layers
    ]
    return [
        CostGroup(
            name,
            _kernel(runs[-1], name),
            tuple(sum(cost.get(member, 0.0) for member in members) for cost in costs),
        )
        for name, members in groups
    ]


def dearest_operators(run: Run) -> list[Operator]:
    """The operators of one run that cost most, dearest first."""
    return sorted((row for row in _rows(run) if row.total), key=lambda row: row.total, reverse=True)[:_MOST]


def _rows(run: Run) -> tuple[Operator, ...]:
    return () if isinstance(run.operators, Missing) else run.operators


def _side_by_side(runs: Sequence[Run]) -> Section:
    unit = _rows(runs[0])[0].unit
    rows = []
    for group in cost_groups(runs):
        ratios = [_ratio(total, group.totals[0], RESOLUTION[unit]) for total in group.totals[1:]]
        rows.append(
            (group.label, group.kernel, *(format_cost(total, unit) for total in group.totals), *ratios)
        )
    names = [run.artifact.recipe for run in runs]
    header = ("module", f"kernel ({names[-1]})", *names, *(f"{name} / {names[0]}" for name in names[1:]))
    title = f"{runs[0].artifact.name}: where an inference goes"
    return Section(title, tuple(_sentence(run) for run in runs), header, tuple(rows))


def format_cost(total: float, unit: Unit) -> str:
    """A cost for a person; below the step of the kernels' clock it says only that."""
    return (
        format_quantity(total, unit)
        if total >= RESOLUTION[unit]
        else f"< {format_quantity(RESOLUTION[unit], unit)}"
    )


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
    dearest = dearest_operators(run)
    cells = tuple(
        (
            row.kernel,
            row.module or "",
            "" if row.precision == "none" else row.precision,
            format_cost(row.total, row.unit),
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
