"""The pages that the browser tests look at."""

from pathlib import Path

from diagnoses import make_diagnosis, make_hostile_diagnosis
from hostile import TEXTS, make_hostile
from msgspec.structs import replace
from odd_runs import FAILED, on_hardware, pair
from programs import make_graph
from runs import make_run

from edgeq.report.delegation import left_out_section
from edgeq.report.html.diagnosis import write_diagnosis
from edgeq.report.html.page import write_html
from edgeq.report.html.program import render_program
from edgeq.report.html.site import write_site
from edgeq.report.section import Section


def write_pages(folder: Path) -> dict[str, Path]:
    """Write one page of each kind; returns them by name."""
    wide = [make_run("fp32"), make_run("int8", latency=(90.0, 91.0)), make_run("int8-per-tensor")]
    hostile = [make_hostile(shift) for shift in range(len(TEXTS))]
    devices = {
        "device": wide,
        "hardware": [
            on_hardware(run, values=tuple(0.01 + 1e-4 * (i % 7) for i in range(90))) for run in pair()
        ],
        "failed": [make_run(), make_run("int8", **FAILED)],
        "hostile": [make_hostile(4), make_hostile(4)],
        "comparison": [*pair(), *[on_hardware(run) for run in pair()], make_run(device=None, **FAILED)],
        "hostile comparison": hostile,
    }
    pages = {name: folder / f"{name}.html" for name in devices}
    graphs = {make_run().artifact.sha256: make_graph()}
    for name, runs in devices.items():
        write_html(pages[name], runs, graphs)
    for name, text in {"program": "stem.conv", "hostile program": " ".join(TEXTS)}.items():
        pages[name] = folder / f"{name}.html"
        facts = Section("What it is", (text,), ("fact", ""), (("program", text),))
        left = left_out_section(text, make_run().artifact.delegation)
        pages[name].write_text(render_program(text, facts, [left], make_graph(text)))
    for name, diagnosis in (
        ("diagnosis", make_diagnosis()),
        ("hostile diagnosis", make_hostile_diagnosis()),
    ):
        pages[name] = folder / f"{name}.html"
        write_diagnosis(pages[name], diagnosis)
    over_time = [
        replace(run, id=f"{day:02d}{run.artifact.recipe}", created=f"2026-11-{day:02d}T12:00:00+00:00")
        for day in range(1, 17)
        for run in pair()
    ]
    site = folder / "site"
    write_site(site, [*over_time, *hostile])
    pages |= {"site index": site / "index.html", "site list": site / "runs.html"}
    for kind in ("comparisons", "devices", "artifacts", "runs"):
        files = sorted((site / kind).glob("*.html"))
        pages[f"site {kind}"] = next(
            file for file in files if file.name.startswith(("digits", "virt", "01fp32"))
        )
        pages[f"site {kind}, hostile"] = next(
            file for file in files if not file.name.startswith(("digits", "virt")) and "fp32" not in file.name
        )
    return pages
