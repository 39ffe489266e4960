"""Accuracy against what it costs: one point a recipe, and the border of the best that was reached."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from edgeq.report.html.svg import MUTED, Margins, Picture, colour, draw_plot, legend_of, marker, shorten
from edgeq.report.html.verdict import label_runs, latency_of, rung_of, shared_metric
from edgeq.report.sections import counts_instructions
from edgeq.results.drop import find_better
from edgeq.results.records import Run
from edgeq.units import format_quantity

_LEAST_REACH = 0.01  # of the metric: smaller differences are drawn small


@dataclass(frozen=True)
class Point:
    """A run: its place among the runs, its label, cost `x` in the unit of the figure, metric `y`."""

    index: int
    label: str
    x: float
    y: float


def draw_tradeoffs(key: str, runs: Sequence[Run]) -> list[Picture]:
    """Accuracy against latency and against size, where at least two runs share a metric."""
    drawn = (_draw(f"{key}-cost", runs, "latency"), _draw(f"{key}-size", runs, "size"))
    return [picture for picture in drawn if picture is not None]


def find_front(points: Sequence[tuple[float, float]], sign: float) -> list[tuple[float, float]]:
    """The Pareto front by rising cost; `sign` is -1 when a lower y is better, else 1."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not front or sign * y > sign * front[-1][1]:
            front.append((x, y))
    return front


def _draw(key: str, runs: Sequence[Run], cost: str) -> Picture | None:
    costs = {
        index: found
        for index, run in enumerate(runs)
        if run.status == "ok" and (found := _cost(run, cost)) is not None
    }
    units = {unit for _, unit in costs.values()}
    metric = shared_metric([runs[index] for index in costs]) if len(costs) > 1 and len(units) == 1 else None
    if metric is None:
        return None
    (unit,) = units
    name, rung, where = metric
    labels = label_runs(runs)
    points = [
        Point(index, labels[index], x, float(rung_of(runs[index], rung)[name]))
        for index, (x, _) in costs.items()
    ]
    sign = -1.0 if find_better(name) == "lower" else 1.0
    words = _words(cost, runs)

    def paint(axes: Axes) -> None:
        _paint(axes, points, sign)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value, unit, digits=3)))
        axes.set_xlabel(f"{words} (from zero)")
        axes.set_title(shorten(name, 30), loc="left", fontsize=11, color=MUTED)

    said = "; ".join(
        f"{each.label}: {name} {each.y:.4f} at {format_quantity(each.x, unit)}" for each in points
    )
    alt = f"{name} against {words}. {said}."
    return Picture(
        draw_plot(key, alt, 220, paint, Margins(left=56, right=14, top=26, bottom=42)),
        f"{name} against {'size' if cost == 'size' else words}",
        f"{name} {where}. Best is {'lower' if sign < 0 else 'upper'} left; the dashed line is the best "
        "that was reached. The vertical axis does not start at zero.",
        alt,
        legend_of([(each.index, each.label) for each in points]),
    )


def _paint(axes: Axes, points: Sequence[Point], sign: float) -> None:
    heights = [each.y for each in points]
    low, high = min(heights), max(heights)
    middle, reach = (high + low) / 2, max(_LEAST_REACH, (high - low) * 0.8)
    most = max(each.x for each in points) * 1.12 or 1.0
    front = find_front([(each.x, each.y) for each in points], sign)
    # From the bad side of the cheapest point to the right edge.
    border = [(front[0][0], middle - sign * 2 * reach), *front, (most, front[-1][1])]
    axes.step(*zip(*border, strict=True), where="post", color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    for each in points:
        axes.plot(
            [each.x],
            [each.y],
            marker=marker(each.index),
            color=colour(each.index),
            markersize=9,
            linestyle="none",
        )
    axes.set_xlim(0, most)
    # A share has no room above 1, so none is drawn.
    axes.set_ylim(middle - reach, middle + reach if high > 1 else min(middle + reach, 1 + reach * 0.08))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _cost(run: Run, cost: str) -> tuple[float, str] | None:
    if cost == "size":
        return float(run.artifact.bytes), "B"
    found = latency_of(run)
    return None if found is None else (found[0].median, found[1])


def _words(cost: str, runs: Sequence[Run]) -> str:
    if cost == "size":
        return "size of the program file"
    return "instructions (emulated)" if counts_instructions(runs) else "latency"
