"""The page of a diagnosis: what each layer costs, how the error grows, how the values are spread."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from edgeq.cache import write_atomic
from edgeq.report.diagnosis import (
    activations,
    advice,
    counts,
    decibels,
    dropping,
    growth,
    is_odd,
    outliers,
    remedy,
    sensitivity,
    summary,
    weights,
)
from edgeq.report.html.bars import THIN, Bar, Group, draw_bars
from edgeq.report.html.page import render
from edgeq.report.html.svg import (
    BAR,
    MUTED,
    WIDTH,
    Margins,
    Picture,
    colour,
    draw,
    draw_plot,
    legend_of,
    shorten,
)
from edgeq.results.diagnosis.document import Diagnosis, LayerLoss, Trial
from edgeq.results.diagnosis.spread import ActivationSpread, Histogram, WeightSpread
from edgeq.results.diagnosis.toml import format_overrides

# More bars or histograms than these make a page that nobody reads; the tables have them all.
_MOST_BARS = 24
_MOST_HISTOGRAMS = 24
_COLUMNS, _ROW, _TITLE, _TICKS = 2, 96.0, 18.0, 20.0  # CSS pixels but for the columns


def write_diagnosis(path: Path, diagnosis: Diagnosis) -> None:
    """Write the page of `diagnosis` to `path`, whole."""
    write_atomic(path, render_diagnosis(diagnosis).encode())


def render_diagnosis(diagnosis: Diagnosis) -> str:
    """The page of `diagnosis`."""
    found, enough = diagnosis.remedy, counts(diagnosis)
    return render(
        "diagnosis.html",
        title=f"Where {diagnosis.workload} loses accuracy under {diagnosis.recipe}",
        summary=summary(diagnosis),
        pictures=[each for each in (_costs(diagnosis), _growth(diagnosis)) if each is not None],
        tables=[sensitivity(diagnosis), growth(diagnosis), *([enough] if enough.rows else [])],
        advice=advice(diagnosis),
        remedy=remedy(diagnosis),
        overrides=format_overrides(found.overrides) if found is not None else "",
        spreads=[each for each in (_activations(diagnosis), _weights(diagnosis)) if each is not None],
        spread_tables=[outliers(diagnosis), activations(diagnosis), weights(diagnosis)],
    )


def _costs(diagnosis: Diagnosis) -> Picture | None:
    """Noise of each layer alone, against that of the whole recipe; noise adds up, decibels do not."""
    groups, said = [], []
    shown = [layer for layer in diagnosis.layers if not layer.alone.is_missing][:_MOST_BARS]
    for layer in shown:
        share = _noise(layer.alone, diagnosis.whole)
        groups.append(Group(_label(layer), (Bar(((share, colour(2)),), f"{share:.0%}"),)))
        said.append(f"{layer.name}: {share:.0%}, {decibels(layer.alone)}")
    if not groups:
        return None
    title = "Noise of each layer alone"
    rest = "" if len(shown) == len(diagnosis.layers) else f" The worst {len(shown)} layers."
    caption = (
        "Power of the error in the model's outputs when only this layer is quantized, against the whole "
        f"recipe. Less is better. Shares need not add up to 100%: errors can cancel out.{rest}"
    )
    alt = f"{title}, of that of the whole recipe. {'; '.join(said)}."
    return Picture(draw_bars("costs", alt, groups, THIN), title, caption, alt)


def _noise(alone: Trial, whole: Trial) -> float:
    if math.isinf(alone.sqnr_db) or math.isinf(whole.sqnr_db):
        return 0.0
    return float(10 ** ((whole.sqnr_db - alone.sqnr_db) / 10))


def _label(layer: LayerLoss) -> str:
    return f"{layer.name} ({layer.kind})" if layer.module else layer.name


def _growth(diagnosis: Diagnosis) -> Picture | None:
    """SQNR of each output in order of execution; numbers mark where it drops most."""
    known = [
        (place, each, each.sqnr_db)
        for place, each in enumerate(diagnosis.errors, 1)
        if each.sqnr_db is not None
    ]
    if not known:
        return None
    worst = dropping(diagnosis)
    places = {id(each): (place, sqnr) for place, each, sqnr in known}

    def paint(axes: Axes) -> None:
        axes.plot(
            [place for place, _, _ in known],
            [sqnr for _, _, sqnr in known],
            color=colour(1),
            marker="o",
            markersize=3.5,
            linewidth=1.4,
        )
        for number, each in enumerate(worst, 1):
            axes.annotate(
                str(number),
                places[id(each)],
                textcoords="offset points",
                xytext=(0, -13),
                ha="center",
                fontsize=10,
            )
        axes.margins(x=0.06, y=0.2)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} dB"))
        axes.set_xlabel("output, in order of execution")

    marks = ", ".join(
        f"{number} ({each.name}, by {each.drop_db:.1f} dB)" for number, each in enumerate(worst, 1)
    )
    said = "; ".join(f"{each.name} {sqnr:.1f} dB" for _, each, sqnr in known)
    title = "How the error grows"
    caption = "SQNR of each output in the quantized model, on the same inputs. Higher is better." + (
        f" It drops most at {marks}." if marks else ""
    )
    alt = f"{title}: SQNR in order of execution. {said}."
    return Picture(draw_plot("growth", alt, 220, paint), title, caption, alt)


def _activations(diagnosis: Diagnosis) -> Picture | None:
    flagged = sorted(diagnosis.activations, key=lambda each: not (is_odd(each) or each.outliers))
    shown = [each for each in flagged if each.histogram.counts][:_MOST_HISTOGRAMS]
    panels = [(each.module, each.histogram, _limits(each)) for each in shown]
    title = "Activations"
    said = "; ".join(_tell(each) for each in shown)
    caption = (
        "Values in FP32 on the same inputs; heights are logarithmic. Dashed: the ends of the INT8 range. "
        + _of(len(shown), len(diagnosis.activations))
    )
    return _histograms("activations", title, caption, said, panels)


def _weights(diagnosis: Diagnosis) -> Picture | None:
    flagged = sorted(diagnosis.weights, key=lambda each: not (each.output_outliers or each.input_outliers))
    shown = [each for each in flagged if each.histogram.counts][:_MOST_HISTOGRAMS]
    panels = [(each.module, each.histogram, None) for each in shown]
    said = "; ".join(_tell_weight(each) for each in shown)
    caption = "With batch norm folded in; heights are logarithmic. " + _of(len(shown), len(diagnosis.weights))
    return _histograms("weights", "Weights", caption, said, panels)


def _of(shown: int, total: int) -> str:
    return "" if shown == total else f"{shown} of {total}, those that stand out first."


def _limits(each: ActivationSpread) -> tuple[float, float] | None:
    if each.scale is None or each.zero_point is None:
        return None
    return each.scale * (-128 - each.zero_point), each.scale * (127 - each.zero_point)


def _tell(each: ActivationSpread) -> str:
    clipped = "" if each.clipped is None else f", {each.clipped:.2%} clipped"
    return f"{each.module} {each.low:.4g} to {each.high:.4g}{clipped}"


def _tell_weight(each: WeightSpread) -> str:
    return f"{each.module} {each.low:.4g} to {each.high:.4g}"


Panel = tuple[str, Histogram, tuple[float, float] | None]


def _histograms(key: str, title: str, caption: str, said: str, panels: Sequence[Panel]) -> Picture | None:
    """Small multiples: one histogram each, on its own scale."""
    if not panels:
        return None
    rows = -(-len(panels) // _COLUMNS)
    height = rows * _ROW
    margins = Margins(left=8, right=8, top=_TITLE, bottom=_TICKS)

    def paint(figure: Figure) -> None:
        width = WIDTH / _COLUMNS
        for place, (name, histogram, limits) in enumerate(panels):
            left = place % _COLUMNS * width + margins.left
            bottom = height - (place // _COLUMNS + 1) * _ROW + margins.bottom
            box = (
                left / WIDTH,
                bottom / height,
                (width - margins.left - margins.right) / WIDTH,
                (_ROW - margins.top - margins.bottom) / height,
            )
            _paint_histogram(figure.add_axes(box), name, histogram, limits)

    alt = f"{title}: histograms. {said}."
    legend = legend_of([(1, "values"), (2, "ends of the INT8 range")], BAR) if key == "activations" else ()
    return Picture(draw(key, alt, height, paint), title, caption, alt, legend)


def _paint_histogram(axes: Axes, name: str, histogram: Histogram, limits: tuple[float, float] | None) -> None:
    edges = [histogram.low + histogram.width * place for place in range(len(histogram.counts) + 1)]
    axes.stairs([math.log10(1 + count) for count in histogram.counts], edges, fill=True, color=colour(1))
    low, high = edges[0], edges[-1]
    for limit in limits or ():
        axes.axvline(limit, color=colour(2), linewidth=1.2, linestyle=(0, (3, 2)))
        low, high = min(low, limit), max(high, limit)
    room = 0.04 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.set_xticks([low, high], [f"{low:.3g}", f"{high:.3g}"])
    first, last = axes.get_xticklabels()
    first.set(horizontalalignment="left", fontsize=10)
    last.set(horizontalalignment="right", fontsize=10)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_title(shorten(name, 20), loc="left", fontsize=10.5, pad=3, color=MUTED)
