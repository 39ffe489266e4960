"""Figures of where an inference goes: memory by part, operators by module, power over time."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from edgeq.report.html.bars import THIN, Bar, Group, draw_bars
from edgeq.report.html.svg import BAR, UNTOLD, Picture, colour, draw_plot, legend_of
from edgeq.report.html.verdict import label_runs
from edgeq.report.operators import are_aligned, cost_groups, dearest_operators, format_cost, traced_runs
from edgeq.results.records import Missing, Run
from edgeq.units import format_quantity


def draw_parts(key: str, runs: Sequence[Run]) -> list[Picture]:
    """Memory and power of `runs` of one artifact; `key` makes their ids unique on a page."""
    drawn = (memory(f"{key}-memory", runs), power(f"{key}-power", runs))
    return [picture for picture in drawn if picture is not None]


def memory(key: str, runs: Sequence[Run]) -> Picture | None:
    """Peak RSS by what is known of it."""
    groups, said = [], []
    for run, label in zip(runs, label_runs(runs), strict=True):
        parts = _memory_parts(run)
        if parts is None:
            continue
        text = format_quantity(sum(size for _, size, _ in parts), "B")
        groups.append(Group(label, (Bar(tuple((size, paint) for _, size, paint in parts), text),)))
        words = [f"{name} {format_quantity(size, 'B')}" for name, size, _ in parts]
        said.append(f"{label}: {', '.join(words)}")
    if not groups:
        return None
    legend = (
        ("c0", BAR, "runner and libraries, before the program is opened"),
        ("c1", BAR, "planned arena"),
        ("c2", BAR, "rest of the heap (packed weights, workspace), at most"),
        ("untold", BAR, "not told apart: pages of the program and of code that ran, stacks"),
    )
    alt = f"Parts of the peak resident memory. {'; '.join(said)}."
    caption = (
        "Parts of the peak resident memory of the runner process. A part too small to see is in the table."
    )
    return Picture(draw_bars(key, alt, groups), "Memory by part", caption, alt, legend)


def operators(key: str, runs: Sequence[Run]) -> list[Picture]:
    """Recipes side by side by module; or, when they cannot be aligned, each recipe's dearest operators."""
    traced = traced_runs(runs)
    if not are_aligned(traced):
        return [_own_operators(f"{key}-{index}", run) for index, run in enumerate(traced)]
    unit = dearest_operators(traced[0])[0].unit if dearest_operators(traced[0]) else "insn"
    labels = label_runs(traced)
    places = [list(map(id, runs)).index(id(run)) for run in traced]
    groups = [
        Group(
            group.label,
            tuple(
                Bar(((total, colour(place)),), format_cost(total, unit))
                for total, place in zip(group.totals, places, strict=True)
            ),
        )
        for group in cost_groups(traced)
        if any(group.totals)
    ]
    if not groups:
        return []
    alt = f"Cost of each module in one traced inference for {', '.join(labels)}; the table has the numbers."
    caption = (
        "One traced inference by the modules of your model, in order of execution. Tracing adds to each."
    )
    legend = legend_of(list(zip(places, labels, strict=True)), BAR)
    return [Picture(draw_bars(key, alt, groups, THIN), "Where an inference goes", caption, alt, legend)]


def power(key: str, runs: Sequence[Run]) -> Picture | None:
    """Sampled power over time, with the window of the measured inferences; None when there is none."""
    found = [
        (index, label, series, run)
        for index, (run, label) in enumerate(zip(runs, label_runs(runs), strict=True))
        for series in run.series
        if series.phase == "sampled" and series.unit == "W" and series.times and series.values
    ]
    if not found:
        return None

    def paint(axes: Axes) -> None:
        for index, _, series, run in found:
            times = series.times or ()
            axes.plot([time - times[0] for time in times], series.values, color=colour(index), linewidth=1.4)
            window = _window(run)
            if window is not None:
                axes.axvspan(
                    window[0] - times[0], window[1] - times[0], color=colour(index), alpha=0.15, linewidth=0
                )
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value, "W", digits=3)))
        axes.set_xlabel("seconds since the first sample")

    said = "; ".join(
        f"{label}, {series.source}: {format_quantity(min(series.values), 'W')} to "
        f"{format_quantity(max(series.values), 'W')}, {len(series.values)} samples"
        for _, label, series, _ in found
    )
    alt = f"Power over time. {said}."
    return Picture(
        draw_plot(key, alt, 220, paint),
        "Power",
        "Sampled on the device. Shaded: the window of the measured inferences.",
        alt,
        legend_of([(index, label) for index, label, _, _ in found], BAR),
    )


def _own_operators(key: str, run: Run) -> Picture:
    rows = dearest_operators(run)
    groups = [
        Group(
            f"{row.module or ''} {row.kernel}".strip(),
            (Bar(((row.total, colour(1)),), format_cost(row.total, row.unit)),),
        )
        for row in rows
    ]
    title = f"{run.artifact.recipe}: where an inference goes"
    alt = f"{title}: the {len(rows)} dearest operators of one traced inference; the table has the numbers."
    caption = "One traced inference, dearest operators first. Tracing itself adds to each."
    return Picture(draw_bars(key, alt, groups, THIN), title, caption, alt)


def _memory_parts(run: Run) -> list[tuple[str, int, str]] | None:
    """Name, bytes and colour of the parts of the peak RSS; None when they are unknown or do not add up."""
    memory = run.memory
    if memory is None:
        return None
    start, heap, arena, peak = memory.rss_start, memory.heap_peak, memory.arena, memory.rss_peak
    if isinstance(start, Missing) or isinstance(heap, Missing) or isinstance(peak, Missing):
        return None
    planned = 0 if isinstance(arena, Missing) else min(arena, heap)
    rest = peak - start - heap
    if rest < 0:
        return None
    return [
        ("before the program", start, colour(0)),
        ("planned arena", planned, colour(1)),
        ("rest of the heap", heap - planned, colour(2)),
        ("not told apart", rest, UNTOLD),
    ]


def _window(run: Run) -> tuple[float, float] | None:
    series = run.find_series("inference", "sampled") or run.find_series("latency")
    if series is None or not series.times or not series.values:
        return None
    return series.times[0], series.times[-1] + series.values[-1]
