"""One self-contained HTML file: a device page, or a comparison when the runs are of several devices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
from markupsafe import Markup

from edgeq.cache import write_atomic
from edgeq.plain import printable
from edgeq.report.accuracy import accuracy_sections
from edgeq.report.delegation import left_out
from edgeq.report.distribution import distribution_sections
from edgeq.report.energy import energy_sections
from edgeq.report.html.across import DeviceComparison, compare_devices
from edgeq.report.html.certificate import certify
from edgeq.report.html.course import draw_course
from edgeq.report.html.figures import draw_latency
from edgeq.report.html.parts import draw_parts, operators
from edgeq.report.html.program import Graphs, ProgramPart, program_parts
from edgeq.report.html.svg import Picture
from edgeq.report.html.tradeoff import draw_tradeoffs
from edgeq.report.html.verdict import Verdict, find_base, judge
from edgeq.report.operators import operator_sections
from edgeq.report.paired import paired_sections
from edgeq.report.section import Section
from edgeq.report.sections import (
    clock_badge,
    clock_sentence,
    compare_recipes,
    conditions,
    describe_device,
    group_by_artifact,
    group_by_device,
    notes,
)
from edgeq.report.sustained import sustained_sections
from edgeq.results.records import Run


@dataclass(frozen=True)
class ArtifactPart:
    """What a device page shows of one artifact."""

    name: str
    verdicts: tuple[Verdict, ...]
    pictures: tuple[Picture, ...]
    operator_pictures: tuple[Picture, ...]
    operator_tables: tuple[Section, ...]
    tables: tuple[Section, ...]
    programs: tuple[ProgramPart, ...]


def write_html(path: Path, runs: Sequence[Run], graphs: Graphs | None = None) -> None:
    """Write the page of `runs` to `path`, whole.

    Raises:
        ValueError: no runs.
    """
    write_atomic(path, render_html(runs, graphs).encode())


def render_html(runs: Sequence[Run], graphs: Graphs | None = None) -> str:
    """The page of `runs`: of one device, or a comparison when they are of several.

    A Run holds no graph of its program, which is in the artifact: those that are at hand, by the SHA-256 of
    the program, are shown on the page of a device.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a page needs at least one run")
    devices = group_by_device(runs)
    if len(devices) > 1:
        return _comparison_page(runs)
    ((device, _),) = devices.items()
    groups = group_by_artifact(runs)
    named = f"{next(iter(groups))} on {device}" if len(groups) == 1 else f"edgeq on {device}"
    return render(
        "device.html",
        title=named,
        device=describe_device(runs),
        clock=clock_sentence(runs),
        badge=clock_badge(runs),
        parts=[
            describe_artifact(f"a{index}", name, same, graphs)
            for index, (name, same) in enumerate(groups.items())
        ],
        pairings=paired_sections(runs),
        notes=notes(runs),
        conditions=conditions(runs),
    )


def describe_artifact(key: str, name: str, runs: Sequence[Run], graphs: Graphs | None = None) -> ArtifactPart:
    """Everything that a page shows of one artifact on one device, the base recipe first."""
    base = find_base(runs)
    ordered = [base, *(run for run in runs if run is not base)]
    return ArtifactPart(
        name,
        tuple(_introduce(judge(ordered), len(runs))),
        (
            *draw_latency(key, ordered),
            *draw_tradeoffs(key, ordered),
            *draw_parts(key, ordered),
            *draw_course(key, ordered),
        ),
        tuple(operators(f"{key}-operators", ordered)),
        tuple(operator_sections(ordered)),
        (
            compare_recipes(name, ordered),
            *accuracy_sections(ordered),
            *distribution_sections(ordered),
            *sustained_sections(ordered),
            *energy_sections(ordered),
            *left_out(ordered),
            certify(ordered),
        ),
        tuple(program_parts(ordered, graphs or {})),
    )


def _introduce(verdicts: Sequence[Verdict], runs: int) -> list[Verdict]:
    if runs > 1 or verdicts[0].failed:
        return list(verdicts)
    alone = f"Only {verdicts[0].title} was measured: there is nothing to set it beside."
    return [replace(verdicts[0], sentence=alone)]


def _comparison_page(runs: Sequence[Run]) -> str:
    groups = group_by_artifact(runs)
    named = next(iter(groups)) if len(groups) == 1 else f"{len(groups)} models"
    parts: list[DeviceComparison] = [
        compare_devices(f"a{index}", name, same) for index, (name, same) in enumerate(groups.items())
    ]
    return render(
        "comparison.html",
        title=f"{named} on {len(group_by_device(runs))} devices",
        parts=parts,
        devices=[(name, describe_device(same)) for name, same in group_by_device(runs).items()],
        notes=[section for same in group_by_device(runs).values() for section in notes(same)],
    )


def render(template: str, **values: object) -> str:
    """A template filled in; every string from a run is escaped and holds only what a page can hold."""
    return _ENVIRONMENT.get_template(template).render(**values) + "\n"


def _printable(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("edgeq.report.html"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_printable,
    trim_blocks=True,
    lstrip_blocks=True,
)
