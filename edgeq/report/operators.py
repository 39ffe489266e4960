"""Where an inference goes: recipes side by side by the user's modules, or each recipe's own operators."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.report.section import Section
from edgeq.results.blame import RESOLUTION
from edgeq.results.kernels import ADDED, is_kernel, tell_unassigned, weighted_modules
from edgeq.results.records import Missing, Operator, Run, Unit
from edgeq.results.stats import summarize
from edgeq.units import format_quantity, format_ratio

_MOST = 12
_ROOT, _ADDED_PART = "the model itself", "kernels that ExecuTorch adds"
_ELSEWHERE = "operators without a known module"
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
    """Whether there are several runs, and all know the same modules with weights."""
    modules = {weighted_modules(_rows(run)) for run in runs}
    return len(runs) > 1 and len(modules) == 1 and bool(next(iter(modules)))


def cost_groups(runs: Sequence[Run]) -> list[CostGroup]:
    """Costs of aligned runs by the user's modules: the dearest in order of execution, the others as one."""
    costs = [_by_module(run) for run in runs]
    layers = list(dict.fromkeys(_key(row) for run in runs for row in _rows(run) if row.module is not None))
    shown = sorted(layers, key=lambda module: costs[0].get(module, 0.0), reverse=True)[:_MOST]
    rest = [module for module in layers if module not in shown]
    groups: list[tuple[str, tuple[str, ...]]] = [(module, (module,)) for module in layers if module in shown]
    if rest:
        groups.append((f"{len(rest)} other modules", tuple(rest)))
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
    costs: dict[str, float] = {}
    for row in _rows(run):
        costs[_key(row)] = costs.get(_key(row), 0.0) + row.total
    return costs


def _key(row: Operator) -> str:
    """What a row is counted under: the user's module, or what is known of it instead."""
    if row.module is not None:
        return row.module or _ROOT
    if not is_kernel(row):
        return row.kernel
    return _ADDED_PART if row.unassigned == ADDED else _ELSEWHERE


def _kernel(run: Run, module: str) -> str:
    """The dearest kernel of a module."""
    rows = [row for row in _rows(run) if row.module is not None and _key(row) == module]
    dearest = max(rows, key=lambda row: row.total, default=None)
    return "" if dearest is None else dearest.kernel.partition(" #")[0]


def _own(run: Run) -> Section:
    rows = _rows(run)
    whole = sum(row.total for row in rows)
    dearest = dearest_operators(run)
    cells = tuple(
        (
            row.kernel,
            "" if row.module is None else row.module or _ROOT,
            "" if row.shape is None else "x".join(map(str, row.shape)) or "scalar",
            "" if row.precision == "none" else row.precision,
            format_cost(row.total, row.unit),
            f"{row.total / whole:.1%}",
        )
        for row in dearest
    )
    title = f"{run.artifact.name}.{run.artifact.recipe}: operators ({len(dearest)} dearest of {len(rows)})"
    return Section(
        title, (_sentence(run),), ("operator", "module", "output", "precision", "cost", "share"), cells
    )


def _sentence(run: Run) -> str:
    rows = _rows(run)
    whole = format_quantity(sum(row.total for row in rows), rows[0].unit)
    latency = run.find_series("latency")
    untraced = ""
    if latency is not None and latency.values:
        untraced = f", {format_quantity(summarize(latency.values).median, latency.unit)} untraced"
    unknown = "".join(
        f" The modules of {count} kernels are not known: {why}."
        for why, count in tell_unassigned(rows).items()
    )
    return (
        f"{run.artifact.recipe}: one traced inference is {whole}{untraced}; the difference is the tracing."
        f"{unknown}"
    )
