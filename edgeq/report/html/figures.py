"""Figures of latency: its values, how they repeat, how they are distributed.

Each returns None when the runs hold nothing to draw. The first run is the base and has the neutral colour.
"""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from edgeq.report.html.bars import Bar, Group, draw_bars
from edgeq.report.html.svg import (
    MUTED,
    Picture,
    colour,
    draw_plot,
    legend_of,
    marker,
)
from edgeq.report.html.verdict import label_runs, latency_of
from edgeq.report.sections import counts_instructions
from edgeq.results.records import Run
from edgeq.results.stats import summarize
from edgeq.units import format_quantity

_ENOUGH_FOR_A_DISTRIBUTION = 20
_LEAST_SPREAD = 0.1  # percent: below it, deviations are drawn flat
_MOST_POINTS = 1000  # of a line: more are not seen, and make the page heavy


def draw_latency(key: str, runs: Sequence[Run]) -> list[Picture]:
    """The figures of this module that `runs` of one artifact give; `key` makes their ids unique on a page."""
    drawn = (
        latency(f"{key}-latency", runs),
        repetition(f"{key}-repetition", runs),
        distribution(f"{key}-distribution", runs),
    )
    return [picture for picture in drawn if picture is not None]


def latency(key: str, runs: Sequence[Run]) -> Picture | None:
    """Median as a bar, every raw value as a dot."""
    groups, said = [], []
    for index, (run, label) in enumerate(zip(runs, label_runs(runs), strict=True)):
        found, series = latency_of(run), run.find_series("latency")
        if found is None or series is None:
            said.append(f"{label}: not measured")
            continue
        median = format_quantity(found[0].median, found[1])
        groups.append(Group(label, (Bar(((found[0].median, colour(index)),), median, series.values),)))
        said.append(f"{label}: median {median} of {found[0].n} values")
    if not groups:
        return None
    counted = "Instructions per inference (emulated, instruction clock)"
    title = counted if counts_instructions(runs) else "Latency per inference"
    alt = f"{title}. {'; '.join(said)}."
    return Picture(
        draw_bars(key, alt, groups),
        title,
        "Bar: median. Dots: every measured inference. Less is better.",
        alt,
    )


def repetition(key: str, runs: Sequence[Run]) -> Picture | None:
    """Each measured inference in order, as its deviation from the run's median."""
    shown = _deviations(runs, 2)
    if not shown:
        return None
    reach = max(_LEAST_SPREAD, *(abs(value) for _, _, values in shown for value in values)) * 1.15

    def paint(axes: Axes) -> None:
        axes.axhline(0, color=MUTED, linewidth=1)
        for index, _, values in shown:
            places = _pick_extremes(values)
            axes.plot(
                [place + 1 for place in places],
                [values[place] for place in places],
                color=colour(index),
                marker=marker(index),
                markersize=4,
                linewidth=1,
            )
        axes.set_ylim(-reach, reach)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}%" if value else "0"))
        axes.set_xlabel("inference, in the order measured")

    said = "; ".join(f"{label}: {min(values):+.3f}% to {max(values):+.3f}%" for _, label, values in shown)
    alt = f"Deviation of each inference from its run's median. {said}."
    return Picture(
        draw_plot(key, alt, 210, paint),
        "Does it repeat?",
        "Each inference against its own run's median. A flat line repeats; a slope is drift.",
        alt,
        legend_of([(index, label) for index, label, _ in shown]),
    )


def distribution(key: str, runs: Sequence[Run]) -> Picture | None:
    """Cumulative distribution of every run with enough values, relative to its median."""
    shown = [
        (index, label, sorted(values))
        for index, label, values in _deviations(runs, _ENOUGH_FOR_A_DISTRIBUTION)
    ]
    if not shown:
        return None

    def paint(axes: Axes) -> None:
        for index, _, values in shown:
            ranks = _pick_evenly(len(values))
            shares = [(rank + 1) / len(values) * 100 for rank in ranks]
            axes.step(
                [values[rank] for rank in ranks], shares, where="post", color=colour(index), linewidth=1.6
            )
        axes.set_ylim(0, 102)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:+.3g}%" if value else "median")
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}%"))
        axes.set_xlabel("deviation from the run's median")

    said = "; ".join(
        f"{label}: 90% of {len(values)} values at or below {values[int(0.9 * (len(values) - 1))]:+.2f}%"
        for _, label, values in shown
    )
    alt = f"Share of inferences at or below each deviation from the median. {said}."
    return Picture(
        draw_plot(key, alt, 210, paint),
        "Distribution",
        "Share of inferences that took no more than this. Steep is steady; a foot to the right is a tail.",
        alt,
        legend_of([(index, label) for index, label, _ in shown]),
    )


def _pick_extremes(values: Sequence[float]) -> list[int]:
    """Indices to draw of a long series: the least and the largest value of each of many stretches."""
    if len(values) <= _MOST_POINTS:
        return list(range(len(values)))
    bounds = [len(values) * part * 2 // _MOST_POINTS for part in range(_MOST_POINTS // 2 + 1)]
    stretches = [range(start, end) for start, end in pairwise(bounds)]
    ends = [{min(each, key=values.__getitem__), max(each, key=values.__getitem__)} for each in stretches]
    return [place for each in ends for place in sorted(each)]


def _pick_evenly(count: int) -> list[int]:
    """Ranks to draw of a long sorted series, the first and the last among them."""
    if count <= _MOST_POINTS:
        return list(range(count))
    return [(count - 1) * part // (_MOST_POINTS - 1) for part in range(_MOST_POINTS)]


def _deviations(runs: Sequence[Run], least: int) -> list[tuple[int, str, list[float]]]:
    """Index, label and deviations from the median in percent of each run with at least `least` values."""
    found = []
    for index, (run, label) in enumerate(zip(runs, label_runs(runs), strict=True)):
        series = run.find_series("latency")
        if series is None or len(series.values) < least:
            continue
        median = summarize(series.values).median
        if median:
            found.append((index, label, [(value / median - 1) * 100 for value in series.values]))
    return found
