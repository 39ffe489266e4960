"""What a search found, as sections of a report: what was run, and what was only simulated."""

from edgeq.report.section import Row, Section
from edgeq.results.records import Metrics, Missing
from edgeq.results.rescue import Cost, Option, Rescue, Simulation
from edgeq.units import format_quantity


def rescue_sections(found: Rescue) -> list[Section]:
    """The answer with every exported recipe, then the trials that were simulated."""
    return [_exported(found), _simulated(found)]


def _exported(found: Rescue) -> Section:
    answer = f"Use {found.best}: " if found.meets else f"No recipe met it. Nearest is {found.best}: "
    best = next(each for each in found.options if each.recipe == found.best)
    loss = best.loss
    lost = f"{loss.metric} {loss.value:.4f} of {loss.reference:.4f} in FP32, {loss.allowed:.4g} may be lost."
    where = (
        "Nothing was run on a device."
        if found.device is None
        else f"Costs are those of its runs on {found.device}; accuracy is that of the .pte on this machine."
    )
    first = next((each.cost for each in found.options if each.recipe == found.start), None)
    header = ("recipe", "accuracy", "lost", "", _cost_name(found), f"/ {found.start}", "program", "peak RSS")
    rows = tuple(_row(each, first, found) for each in found.options)
    return Section(f"Recipes for {found.workload}", (answer + lost, where), (*header, ""), rows)


def _row(option: Option, first: Cost | Missing | None, found: Rescue) -> Row:
    cost = option.cost
    marks = ["best"] * (option.recipe == found.best) + ["front"] * (option.recipe in found.front)
    marks += [option.flaw] if option.flaw else []
    memory = cost.memory if isinstance(cost, Cost) else cost
    return (
        option.recipe,
        _metrics(option.metrics),
        f"{option.loss.lost:.4f}",
        "within" if option.loss.within else "too much",
        format_quantity(cost.latency, cost.unit) if isinstance(cost, Cost) else "not measured",
        f"{cost.latency / first.latency:.3f}x" if isinstance(cost, Cost) and isinstance(first, Cost) else "",
        format_quantity(option.bytes, "B"),
        "not measured" if isinstance(memory, Missing) else format_quantity(memory, "B"),
        ", ".join(marks),
    )


def _cost_name(found: Rescue) -> str:
    units = {each.cost.unit for each in found.options if isinstance(each.cost, Cost)}
    return "instructions (emulated)" if units == {"insn"} else "latency"


def _simulated(found: Rescue) -> Section:
    about = "Computed on this machine, layer by layer in floating point; no program was made of them."
    header = ("recipe", "accuracy", "lost", "", "SQNR", "work in FP32")
    return Section(
        "Trials, simulated", (about,), header, tuple(_simulation_row(each) for each in found.simulations)
    )


def _simulation_row(each: Simulation) -> Row:
    if each.refused is not None:
        return (each.recipe, "not applied", "", each.refused, "", "")
    return (
        each.recipe,
        _metrics(each.metrics),
        f"{each.loss.lost:.4f}",
        "within" if each.loss.within else "too much",
        "exact" if each.sqnr_db is None else f"{each.sqnr_db:.1f} dB",
        f"{each.share:.1%}",
    )


def _metrics(metrics: Metrics) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if isinstance(value, float))
