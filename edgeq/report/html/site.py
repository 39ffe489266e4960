"""A static site of many runs: works from a folder, offline; JavaScript only sorts and filters."""

import base64
import hashlib
import importlib.resources
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from edgeq.cache import staging
from edgeq.errors import InputError
from edgeq.report.delegation import left_out
from edgeq.report.html.across import newest_of_each_recipe
from edgeq.report.html.certificate import certify
from edgeq.report.html.figures import latency
from edgeq.report.html.history import draw_history, tell_changes, trace_recipes
from edgeq.report.html.listing import (
    Labels,
    comparison_path,
    device_of,
    file_name,
    list_comparisons,
    list_names,
    list_runs,
    run_path,
)
from edgeq.report.html.page import render
from edgeq.report.html.verdict import judge
from edgeq.report.operators import operator_sections
from edgeq.report.sections import (
    clock_badge,
    clock_sentence,
    compare_recipes,
    describe_device,
    group_by_artifact,
    group_by_device,
    report_sections,
)
from edgeq.results.records import Run, encode_report

_SCRIPT = importlib.resources.files("edgeq.report.html").joinpath("templates/listing.js").read_text("utf-8")
_MARK = ".edgeq-site"
_MARK_TEXT = "edgeq writes this folder anew; what else is put here is lost.\n"


def write_site(folder: Path, runs: Sequence[Run], labels: Labels | None = None) -> int:
    """Write the site of `runs` into `folder`, whole or not at all; a site that is there already is replaced.

    Args:
        folder: made when missing.
        runs: equal ones count once.
        labels: labels of the store by run id; `branch` and `commit` are shown.

    Returns:
        the number of pages.

    Raises:
        InputError: no runs, or `folder` holds something that is no site.
    """
    if not runs:
        raise InputError("there are no runs to make a site of", hint="measure something with `edgeq run`")
    check_folder(folder)
    distinct = list({run_path(run): run for run in runs}.values())
    folder = folder.absolute()
    old: Path | None = None
    pages = 0
    try:
        with staging(folder) as beside:
            for path, content in build_pages(distinct, labels or {}):
                file = beside / path
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(content)
                pages += path.endswith(".html")
            (beside / _MARK).write_text(_MARK_TEXT)
            old = _set_aside(folder)
    except BaseException:
        if old is not None and not folder.exists():
            old.rename(folder)
        raise
    if old is not None:
        shutil.rmtree(old)
    return pages


def check_folder(folder: Path) -> None:
    """Refuse a folder whose content is not a site that edgeq wrote.

    Raises:
        InputError: `folder` is a file, or holds something else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder} is no folder", hint="give another one with --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise InputError(
            f"{folder} is not empty and not a site that edgeq wrote: it is left as it is",
            hint="give an empty or new folder with --out",
        )


def build_pages(runs: Sequence[Run], labels: Labels) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file of the site."""
    ordered = sorted(runs, key=lambda run: (run.artifact.name, device_of(run), run.created, run.id))
    devices = dict(sorted(group_by_device(ordered).items()))
    artifacts = group_by_artifact(ordered)
    pairs = {
        (artifact, device): same
        for artifact, each in artifacts.items()
        for device, same in group_by_device(each).items()
    }
    yield "index.html", _index(ordered, pairs, devices, artifacts)
    yield "runs.html", _page("site_list.html", "Runs", "", listing=list_runs("Runs", ordered, labels))
    for (artifact, device), same in pairs.items():
        yield comparison_path(artifact, device), _comparison(artifact, device, same, labels)
    for device, same in devices.items():
        yield f"devices/{file_name(device)}.html", _device(device, same, labels)
    for artifact, same in artifacts.items():
        yield f"artifacts/{file_name(artifact)}.html", _artifact(artifact, same, labels)
    for run in ordered:
        yield f"{run_path(run)}.html", _run(run)
        yield f"{run_path(run)}.json", encode_report([run])


def _set_aside(folder: Path) -> Path | None:
    """Move an old site to a name beside, so that the new one can take its place; None when there is none."""
    if not folder.exists():
        return None
    away = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}.", dir=folder.parent))
    return folder.rename(away)


def _page(template: str, title: str, root: str, **values: object) -> bytes:
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    # The script is edgeq's own file, and the page's policy lets no other one run.
    script = Markup(_SCRIPT)  # noqa: S704
    return render(
        template, title=title, root=root, script=script, script_hash=f"sha256-{digest}", **values
    ).encode()


def _index(
    runs: Sequence[Run],
    pairs: Mapping[tuple[str, str], Sequence[Run]],
    devices: Mapping[str, Sequence[Run]],
    artifacts: Mapping[str, Sequence[Run]],
) -> bytes:
    failed = sum(run.status == "failed" for run in runs)
    return _page(
        "site_index.html",
        "All measurements",
        "",
        counts=(len(runs), failed, len(artifacts), len(devices)),
        newest=max(run.created for run in runs)[:19].replace("T", " "),
        listings=(
            list_comparisons(pairs),
            list_names("Devices", "devices", devices),
            list_names("Artifacts", "artifacts", artifacts),
        ),
    )


def _comparison(artifact: str, device: str, runs: Sequence[Run], labels: Labels) -> bytes:
    newest = newest_of_each_recipe(runs)
    histories = trace_recipes(runs, [run.artifact.recipe for run in newest])
    over_time = draw_history("history", histories)
    # Two figures at most: a store has many of these pages, and the tables say the rest.
    beside = latency("latency", newest) if len(newest) > 1 else None
    return _page(
        "site_comparison.html",
        f"{artifact} on {device}",
        "../",
        badge=clock_badge(runs),
        clock=clock_sentence(runs),
        verdicts=judge(newest),
        pictures=[] if beside is None else [beside],
        tables=(
            compare_recipes(artifact, newest),
            *operator_sections(newest),
            *left_out(newest),
            certify(newest),
        ),
        over_time=over_time,
        changes=tell_changes(histories),
        listing=list_runs("Runs", runs, labels),
    )


def _device(device: str, runs: Sequence[Run], labels: Labels) -> bytes:
    pairs = {(artifact, device): same for artifact, same in group_by_artifact(runs).items()}
    listings = (list_comparisons(pairs), list_runs("Runs", runs, labels))
    return _page("site_group.html", device, "../", about=describe_device(runs), listings=listings)


def _artifact(artifact: str, runs: Sequence[Run], labels: Labels) -> bytes:
    pairs = {(artifact, device): same for device, same in group_by_device(runs).items()}
    listings = (list_comparisons(pairs), list_runs("Runs", runs, labels))
    return _page("site_group.html", artifact, "../", about=None, listings=listings)


def _run(run: Run) -> bytes:
    artifact, device = run.artifact.name, device_of(run)
    return _page(
        "site_run.html",
        f"{artifact}.{run.artifact.recipe} on {device}",
        "../",
        run=run,
        badge=clock_badge([run]),
        document=f"{run_path(run)}.json",
        comparison=comparison_path(artifact, device),
        verdict=judge([run])[0],
        tables=(*report_sections([run])[1:], certify([run]), describe_device([run])),
    )
