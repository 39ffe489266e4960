"""A quantity of one artifact on one device over its runs: the figure, and where a new level begins."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from edgeq.errors import InputError
from edgeq.report.html.svg import MUTED, Picture, colour, draw_plot, legend_of, marker
from edgeq.results.history import History, trace_history
from edgeq.results.records import Run
from edgeq.units import format_quantity

_LEAST_REACH = 1.0  # percent: below it, changes are drawn small
_FEWEST = 3  # runs of a recipe that make a history


def trace_recipes(runs: Sequence[Run], recipes: Sequence[str]) -> list[tuple[int, History]]:
    """The latency of each recipe with enough comparable runs, with the recipe's place in `recipes`."""
    found = []
    oldest_first = sorted(runs, key=lambda run: (run.created, run.id))
    for index, recipe in enumerate(recipes):
        same = [run for run in oldest_first if run.artifact.recipe == recipe]
        if len(same) < _FEWEST:
            continue
        try:
            history = trace_history(same, "latency")
        except InputError:
            continue
        if len(history.points) >= _FEWEST:
            found.append((index, history))
    return found


def draw_history(key: str, histories: Sequence[tuple[int, History]]) -> Picture | None:
    """Change of each recipe's median against its first run, run by run; None when there is no history."""
    lines = [
        (index, history, [(point.value / history.points[0].value - 1) * 100 for point in history.points])
        for index, history in histories
        if history.points[0].value
    ]
    if not lines:
        return None
    reach = max(_LEAST_REACH, *(abs(value) for _, _, values in lines for value in values)) * 1.15

    def paint(axes: Axes) -> None:
        axes.axhline(0, color=MUTED, linewidth=1)
        for index, history, values in lines:
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=colour(index),
                marker=marker(index),
                markersize=3.5,
                linewidth=1.2,
            )
            for change in history.changes:
                axes.axvline(change.index + 0.5, color=colour(index), linewidth=1, linestyle=(0, (2, 2)))
        axes.set_ylim(-reach, reach)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}%" if value else "0"))
        axes.set_xlabel("run, oldest first")

    said = "; ".join(
        f"{history.recipe}: {len(values)} runs, {min(values):+.2f}% to {max(values):+.2f}%, "
        f"{len(history.changes)} changes of level"
        for _, history, values in lines
    )
    alt = f"Median of each run against the recipe's first run. {said}."
    caption = "Median of each run against the recipe's first. Dotted: a new level begins."
    return Picture(
        draw_plot(key, alt, 220, paint),
        "Over time",
        caption,
        alt,
        legend_of([(index, history.recipe) for index, history, _ in lines]),
    )


def tell_changes(histories: Sequence[tuple[int, History]]) -> tuple[str, ...]:
    """Where a new level begins, in sentences."""
    told = []
    for _, history in histories:
        created = {point.run: point.created for point in history.points}
        for change in history.changes:
            before, after = (format_quantity(value, history.unit) for value in (change.before, change.after))
            when = created[change.run][:19].replace("T", " ")
            told.append(f"{history.recipe}: from {before} to {after} with the run of {when}.")
        if not history.changes:
            told.append(f"{history.recipe}: no change of level in {len(history.points)} runs.")
        told += [
            f"{history.recipe}: {count} left out: {reason}." for reason, count in history.left_out.items()
        ]
    return tuple(told)
