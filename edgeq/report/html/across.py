"""Devices beside each other, for one artifact: what each recipe costs on each, and what changed where."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeq.report.html.bars import Bar, Group, draw_bars
from edgeq.report.html.svg import BAR, Picture, colour, legend_of
from edgeq.report.html.verdict import Verdict, find_base, judge, latency_of, rung_of, shared_metric
from edgeq.report.section import Section
from edgeq.report.sections import group_by_device
from edgeq.results.records import Run
from edgeq.units import format_quantity, format_ratio


@dataclass(frozen=True)
class DeviceComparison:
    """What a comparison page shows of one artifact."""

    name: str
    verdicts: tuple[tuple[str, tuple[Verdict, ...]], ...]
    pictures: tuple[Picture, ...]
    tables: tuple[Section, ...]


def newest_of_each_recipe(runs: Sequence[Run]) -> list[Run]:
    """The newest run of each recipe (one that is ok before one that failed), the base recipe first."""
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (run.status == "ok", run.created)):
        newest[run.artifact.recipe] = run
    chosen = [newest[recipe] for recipe in dict.fromkeys(run.artifact.recipe for run in runs)]
    base = find_base(chosen)
    return [base, *(run for run in chosen if run is not base)]


def compare_devices(key: str, name: str, runs: Sequence[Run]) -> DeviceComparison:
    """Set the devices of one artifact's runs side by side; the newest run of each recipe counts."""
    devices = {device: newest_of_each_recipe(same) for device, same in group_by_device(runs).items()}
    recipes = list(dict.fromkeys(run.artifact.recipe for same in devices.values() for run in same))
    pictures = [_ratios(f"{key}-ratio", devices, recipes), *_absolutes(key, devices, recipes)]
    return DeviceComparison(
        name,
        tuple((device, tuple(judge(same))) for device, same in devices.items()),
        tuple(picture for picture in pictures if picture is not None),
        tuple(_table(title, devices, recipes, tell) for title, tell in _QUANTITIES),
    )


def _ratios(key: str, devices: dict[str, list[Run]], recipes: Sequence[str]) -> Picture | None:
    """Ratio of each recipe's latency to the base's, device by device: free of units, so one scale for all."""
    groups, said = [], []
    for device, runs in devices.items():
        base = latency_of(runs[0])
        bars = []
        for run in runs[1:]:
            found = latency_of(run)
            if base is None or found is None or base[1] != found[1] or not base[0].median:
                continue
            ratio = found[0].median / base[0].median
            text = format_ratio(found[0].median, base[0].median)
            bars.append(Bar(((ratio, colour(recipes.index(run.artifact.recipe))),), text))
            said.append(f"{device}: {run.artifact.recipe} {text}")
        if bars:
            groups.append(Group(device, tuple(bars)))
    if not groups:
        return None
    base_recipe = next(iter(devices.values()))[0].artifact.recipe
    title = f"Cost of one inference as a factor of {base_recipe}"
    alt = f"{title}. {'; '.join(said)}."
    caption = (
        f"Instructions or time, against {base_recipe} on the same device. Dashed: no change. Less is better."
    )
    legend = legend_of(list(enumerate(recipes))[1:], BAR)
    return Picture(draw_bars(key, alt, groups, mark=1.0), title, caption, alt, legend)


def _absolutes(key: str, devices: dict[str, list[Run]], recipes: Sequence[str]) -> list[Picture]:
    """Medians by device, one figure a unit: an instruction count and a time share no scale."""
    pictures = []
    for unit, title in (
        ("insn", "Instructions per inference (emulated, instruction clock)"),
        ("s", "Latency per inference"),
    ):
        groups, said = [], []
        for device, runs in devices.items():
            bars = []
            for run in runs:
                found = latency_of(run)
                if found is None or found[1] != unit:
                    continue
                median = format_quantity(found[0].median, unit)
                series = run.find_series("latency")
                dots = () if series is None else series.values
                paint = colour(recipes.index(run.artifact.recipe))
                bars.append(Bar(((found[0].median, paint),), median, dots))
                said.append(f"{device}, {run.artifact.recipe}: {median}")
            if bars:
                groups.append(Group(device, tuple(bars)))
        if groups:
            alt = f"{title}, medians. {'; '.join(said)}."
            caption = "Bar: median. Dots: every measured inference. Less is better."
            legend = legend_of(list(enumerate(recipes)), BAR)
            pictures.append(Picture(draw_bars(f"{key}-{unit}", alt, groups), title, caption, alt, legend))
    return pictures


def _table(
    title: str, devices: dict[str, list[Run]], recipes: Sequence[str], tell: Callable[[Run], str]
) -> Section:
    rows = []
    for device, runs in devices.items():
        by_recipe = {run.artifact.recipe: run for run in runs}
        rows.append(
            (device, *(tell(by_recipe[name]) if name in by_recipe else "not run" for name in recipes))
        )
    return Section(title, (), ("device", *recipes), tuple(rows))


def _latency(run: Run) -> str:
    found = latency_of(run)
    if found is None:
        reason = run.not_measured.get("latency")
        if run.status == "failed" or reason is None:
            return "failed" if run.status == "failed" else "not measured"
        return f"not measured: {reason}"
    emulated = " (emulated)" if found[1] == "insn" else ""
    return f"{format_quantity(found[0].median, found[1])}{emulated}, n = {found[0].n}"


def _accuracy(run: Run) -> str:
    metric = shared_metric([run])
    if metric is None:
        reason = rung_of(run, "device").get("missing")
        return f"not measured: {reason}" if reason else "not measured"
    return f"{metric[0]} {float(rung_of(run, metric[1])[metric[0]]):.4f} {metric[2]}"


def _peak(run: Run) -> str:
    peak = None if run.memory is None else run.memory.rss_peak
    if isinstance(peak, int):
        return format_quantity(peak, "B")
    return "not measured" if peak is None else f"not measured: {peak.missing}"


def _outputs(run: Run) -> str:
    if run.outputs is None or run.outputs.within is None:
        return "not compared"
    sqnr = "equal to the bit" if run.outputs.sqnr_db is None else f"{run.outputs.sqnr_db:.1f} dB"
    return f"{'within the bound' if run.outputs.within else 'OUTSIDE the bound'}, SQNR {sqnr}"


_QUANTITIES: tuple[tuple[str, Callable[[Run], str]], ...] = (
    ("Instructions or latency per inference, median", _latency),
    ("Accuracy", _accuracy),
    ("Peak memory (RSS)", _peak),
    ("Outputs against the reference", _outputs),
)
