"""Figures of the state of a device while it was measured: what the runner sampled beside the inferences."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from edgeq.report.html.svg import MUTED, WIDTH, Picture, colour, draw
from edgeq.report.html.verdict import label_runs
from edgeq.results.records import Run, Series, Unit
from edgeq.results.spans import measured_spans
from edgeq.units import format_quantity

# Quantity, and what its curves show, in the order of the page.
_SHOWN = {
    "clock": "clock",
    "temperature": "temperature",
    "throttling": "throttling flags",
    "others": "cores busy with others",
    "cores": "cores online",
}
_ROW, _TOP, _BOTTOM, _LEFT, _RIGHT = 78.0, 16.0, 40.0, 62.0, 12.0  # CSS pixels
_MOST_POINTS = 500  # of a curve: more are not seen, and make the page heavy


def draw_course(key: str, runs: Sequence[Run]) -> list[Picture]:
    """A figure for each run that was sampled; `key` makes their ids unique on a page."""
    pictures = (
        _draw(f"{key}-course-{index}", run, label)
        for index, (run, label) in enumerate(zip(runs, label_runs(runs), strict=True))
    )
    return [picture for picture in pictures if picture is not None]


def _draw(key: str, run: Run, label: str) -> Picture | None:
    found = _find_curves(run)
    # Cores that were there all the time, and flags that were never set, are a line of text.
    rows = {
        name: curves
        for name, curves in found.items()
        if name not in ("cores", "throttling") or _moves(curves)
    }
    if not rows:
        return None
    zero = min(times[0] for curves in found.values() for times, _, _ in curves)
    height = _TOP + _ROW * len(rows) + _BOTTOM

    def paint(figure: Figure) -> None:
        for number, (name, curves) in enumerate(rows.items()):
            bottom = height - _TOP - _ROW * (number + 1)
            box = (_LEFT / WIDTH, (bottom + 8) / height, 1 - (_LEFT + _RIGHT) / WIDTH, (_ROW - 26) / height)
            axes = figure.add_axes(box)
            _paint(axes, run, curves, zero, _SHOWN[name], last=number == len(rows) - 1)

    said = "; ".join(_tell(name, curves) for name, curves in found.items())
    title = f"{label}: the device during the run"
    return Picture(
        draw(key, f"{title}. {said}.", height, paint),
        title,
        f"Sampled by the runner beside the inferences. Shaded: while inferences were measured. {said}.",
        f"{title}. {said}.",
    )


Curve = tuple[Sequence[float], Sequence[float], Series]


def _find_curves(run: Run) -> dict[str, list[Curve]]:
    """The curves of the latency pass by quantity; the power pass has series of the same names, later."""
    found: dict[str, dict[str, Curve]] = {}
    for series in run.series:
        quantity = series.name.partition(".")[0]
        if series.phase == "sampled" and quantity in _SHOWN and series.times:
            step = -(-len(series.times) // _MOST_POINTS)
            curve = (series.times[::step], series.values[::step], series)
            found.setdefault(quantity, {}).setdefault(series.name, curve)
    return {name: [*found[name].values()] for name in _SHOWN if name in found}


def _moves(curves: Sequence[Curve]) -> bool:
    return any(len(set(series.values)) > 1 for _, _, series in curves)


def _paint(axes: Axes, run: Run, curves: Sequence[Curve], zero: float, title: str, *, last: bool) -> None:
    unit: Unit = curves[0][2].unit
    for begin, end in measured_spans(run.series, run.pairing):
        axes.axvspan(begin - zero, end - zero, color=MUTED, alpha=0.12, linewidth=0)
    for index, (times, values, _) in enumerate(curves):
        axes.plot([time - zero for time in times], values, color=colour(index), linewidth=1.2)
    axes.set_title(title, loc="left", fontsize=10, pad=3)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value, unit, digits=3)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelbottom=last)
    if last:
        axes.set_xlabel("seconds since the first sample")


def _tell(name: str, curves: Sequence[Curve]) -> str:
    values = [value for _, _, series in curves for value in series.values]
    unit = curves[0][2].unit
    low, high = (format_quantity(each, unit, digits=3) for each in (min(values), max(values)))
    count = max(len(series.values) for _, _, series in curves)
    return f"{_SHOWN[name]} {low if low == high else f'{low} to {high}'} ({count} samples)"
