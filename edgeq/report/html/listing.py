"""Tables of a site: rows of cells that link, sort and filter; and the file names that the links need."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from edgeq.report.html.across import newest_of_each_recipe
from edgeq.report.html.verdict import is_emulated, latency_of, rung_of, shared_metric
from edgeq.report.sections import NOT_REACHED, clock_badge
from edgeq.results.records import Run
from edgeq.units import format_quantity, format_ratio

Labels = Mapping[str, Mapping[str, str]]

_UNSAFE = re.compile(r"[^a-z0-9]+")
_COMMIT = 10  # characters of a commit that are shown
_RUN_FILTERS = ("artifact", "recipe", "device", "status")
_RUN_HEADER = ("created", *_RUN_FILTERS, "median per inference", "program", "accuracy")


@dataclass(frozen=True)
class Cell:
    """Text of a table cell; what it sorts by when that is a number; where it leads, from the site's root."""

    text: str
    number: float | None = None
    link: str = ""


@dataclass(frozen=True)
class Listing:
    """A table that can be sorted and filtered; `filters` are the columns offered as a choice."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    filters: tuple[str, ...] = ()


def file_name(*names: str) -> str:
    """A file name for any text: safe on every file system, the same for the same text, its own for each."""
    readable = "-".join(_UNSAFE.sub("-", name.lower()).strip("-")[:32] for name in names).strip("-")
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest


def run_path(run: Run) -> str:
    """Page of a run, from the site's root, without suffix; other content under one id has its own."""
    digest = hashlib.sha256(msgspec.json.encode(run)).hexdigest()[:10]
    return f"runs/{_UNSAFE.sub('-', run.id.lower()).strip('-')[:32] or 'run'}-{digest}"


def device_of(run: Run) -> str:
    """The device's profile, or that there was none."""
    return run.device.profile if run.device else NOT_REACHED


def comparison_path(artifact: str, device: str) -> str:
    """Page of an artifact on a device, from the site's root."""
    return f"comparisons/{file_name(artifact, device)}.html"


def list_runs(title: str, runs: Sequence[Run], labels: Labels) -> Listing:
    """Runs, newest first, with what one looks for first."""
    branches = any(labels.get(run.id) for run in runs)
    rows = []
    for run in sorted(runs, key=lambda run: (run.created, run.id), reverse=True):
        cells = (
            Cell(run.created[:19].replace("T", " "), link=f"{run_path(run)}.html"),
            Cell(run.artifact.name, link=f"artifacts/{file_name(run.artifact.name)}.html"),
            Cell(run.artifact.recipe),
            Cell(device_of(run), link=f"devices/{file_name(device_of(run))}.html"),
            Cell(run.standing),
            _latency(run),
            Cell(format_quantity(run.artifact.bytes, "B"), run.artifact.bytes),
            _accuracy(run),
        )
        told = labels.get(run.id, {})
        extra = (Cell(told.get("branch", "")), Cell(told.get("commit", "")[:_COMMIT])) if branches else ()
        rows.append((*cells, *extra))
    header = (*_RUN_HEADER, "branch", "commit") if branches else _RUN_HEADER
    filters = (*_RUN_FILTERS, "branch") if branches else _RUN_FILTERS
    return Listing(title, header, tuple(rows), filters)


def list_comparisons(groups: Mapping[tuple[str, str], Sequence[Run]]) -> Listing:
    """Artifacts on devices: the newest run of each recipe against the base."""
    rows = []
    for (artifact, device), runs in groups.items():
        newest = newest_of_each_recipe(runs)
        path = comparison_path(artifact, device)
        for run in newest[1:] or newest[:1]:
            alone = run is newest[0]
            rows.append(
                (
                    Cell(f"{artifact} on {device}", link=path),
                    Cell(artifact, link=f"artifacts/{file_name(artifact)}.html"),
                    Cell(device, link=f"devices/{file_name(device)}.html"),
                    Cell(
                        run.artifact.recipe
                        if alone
                        else f"{run.artifact.recipe} / {newest[0].artifact.recipe}"
                    ),
                    Cell("nothing to compare with") if alone else _ratio(newest[0], run),
                    Cell("" if alone else format_ratio(run.artifact.bytes, newest[0].artifact.bytes)),
                    _accuracy(run),
                    Cell(str(len(runs)), len(runs)),
                )
            )
    header = (
        "comparison",
        "artifact",
        "device",
        "recipes",
        "cost of an inference",
        "program",
        "accuracy",
        "runs",
    )
    return Listing("Comparisons", header, tuple(rows), ("artifact", "device", "recipes"))


def list_names(title: str, folder: str, groups: Mapping[str, Sequence[Run]]) -> Listing:
    """Devices or artifacts with the number of their runs and the newest of them."""
    rows = tuple(
        (
            Cell(name, link=f"{folder}/{file_name(name)}.html"),
            Cell(_about(folder, runs)),
            Cell(str(len(runs)), len(runs)),
            Cell(max(run.created for run in runs)[:19].replace("T", " ")),
        )
        for name, runs in groups.items()
    )
    what = "core" if folder == "devices" else "recipes"
    return Listing(title, (title.lower().removesuffix("s"), what, "runs", "newest"), rows)


def _about(folder: str, runs: Sequence[Run]) -> str:
    if folder == "artifacts":
        return ", ".join(dict.fromkeys(run.artifact.recipe for run in runs))
    device = runs[-1].device
    if device is None:
        return ""
    return ", ".join(text for text in (device.cpu, clock_badge(runs[-1:])) if text)


def _latency(run: Run) -> Cell:
    found = latency_of(run)
    if found is None:
        return Cell("not measured")
    emulated = " (emulated)" if is_emulated(run) else ""
    return Cell(f"{format_quantity(found[0].median, found[1])}{emulated}", found[0].median)


def _accuracy(run: Run) -> Cell:
    metric = shared_metric([run])
    if metric is None:
        return Cell("not measured")
    value = float(rung_of(run, metric[1])[metric[0]])
    return Cell(f"{metric[0]} {value:.4f} {metric[2]}", value)


def _ratio(base: Run, run: Run) -> Cell:
    old, new = latency_of(base), latency_of(run)
    if old is None or new is None or old[1] != new[1] or not old[0].median:
        return Cell("failed" if run.status == "failed" else "not measured")
    emulated = " (emulated)" if is_emulated(run) else ""
    ratio = new[0].median / old[0].median
    return Cell(f"{format_ratio(new[0].median, old[0].median)}{emulated}", ratio)
