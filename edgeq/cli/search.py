"""`edgeq search`: a recipe that keeps the accuracy, at the least cost on a device."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cache import write_atomic
from edgeq.cli.main import print_error
from edgeq.cli.policy import Duration
from edgeq.cli.store import store_option
from edgeq.cli.terminal import Terminal
from edgeq.errors import GateFailed, MeasurementError

if TYPE_CHECKING:
    from edgeq.artifact import Artifact
    from edgeq.compile.recipe import Recipe
    from edgeq.compile.search.budget import Budget
    from edgeq.compile.search.host import Found
    from edgeq.compile.search.journal import Journal
    from edgeq.devices.profile import DeviceProfile
    from edgeq.results.drop import Drop
    from edgeq.results.records import Run
    from edgeq.results.rescue import Rescue

BEST = "best.toml"


@click.command()
@click.argument("workload")
@click.option("--max-drop", required=True, help="1% of the FP32 metric, 0.01 of it, or 1pt (0.01).")
@click.option("--device", help="Device to measure the exports on; without it nothing is measured.")
@click.option("--max-slower", type=click.FloatRange(0, min_open=True), help="Bound: cost over START's.")
@click.option("--start", default="int8", show_default=True, help="Recipe or recipe file to start with.")
@click.option("--budget", type=Duration(), default="20m", show_default=True, help="Begin no trial later.")
@click.option("--trials", type=click.IntRange(1), help="New trials at most.")
@click.option("--jobs", type=click.IntRange(1), help="Processes side by side [the cores of this machine].")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder [out/search-NAME].")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all that was found here.")
@store_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def search(
    workload: str,
    max_drop: str,
    device: str | None,
    max_slower: float | None,
    start: str,
    budget: float,
    trials: int | None,
    jobs: int | None,
    out: Path | None,
    json_file: Path | None,
    store_path: Path | None,
    *,
    quiet: bool,
) -> None:
    """Find a recipe for WORKLOAD that keeps its accuracy, and write it as best.toml.

    Goes on where it was when it is called again with the same --out. Exits with 1 when no recipe meets
    --max-drop, with 6 when the cost of one is not known; the nearest is written all the same.
    """
    from edgeq.compile.recipe_file import load_recipe
    from edgeq.compile.search.budget import Budget
    from edgeq.devices.profile import load_profile
    from edgeq.errors import InputError, WorkloadError
    from edgeq.results.drop import parse_drop
    from edgeq.workload.loader import load_workload

    drop, recipe, loaded = parse_drop(max_drop), load_recipe(start), load_workload(workload)
    if loaded.evaluate is None:
        raise WorkloadError(
            f"workload {loaded.name!r} has no evaluate(): no drop can be judged",
            hint='add a function evaluate(predict) that returns metrics such as {"top1": 0.97}',
        )
    profile = load_profile(device) if device else None
    if profile is None and max_slower is not None:
        raise InputError("--max-slower compares what a device measured", hint="name one with --device")
    terminal = Terminal(quiet=quiet)
    folder = out or Path("out") / f"search-{loaded.name}"
    order = _Order(workload, loaded.name, recipe, drop, folder, jobs, terminal)
    found, runs = _search(order, Budget(trials, budget), profile, store_path)
    rescue = _judge(order, profile, max_slower, found, runs)
    _write(rescue, found, runs, order.folder, json_file)
    _show(rescue, runs, order)
    _conclude(rescue, found, runs, order.folder)


@dataclass(frozen=True)
class _Order:
    """What was asked: the workload, and by which recipe, drop, folder and number of processes."""

    workload: str
    name: str
    start: "Recipe"
    drop: "Drop"
    folder: Path
    jobs: int | None
    terminal: Terminal


def _search(
    order: _Order, budget: "Budget", profile: "DeviceProfile | None", store_path: Path | None
) -> "tuple[Found, dict[str, Run]]":
    """The search on the host, then the runs on the device by recipe: none without one."""
    from edgeq.compile.search.journal import JOURNAL, Journal
    from edgeq.compile.search.processes import Crew, count_cores
    from edgeq.compile.silence import silence

    with silence():  # torchao speaks up when it is imported
        from edgeq.compile.search.host import HostSearch

    with Journal(order.folder / JOURNAL) as journal:
        with Crew(order.jobs or count_cores()) as crew:
            host = HostSearch(
                order.workload,
                order.start,
                order.drop,
                order.folder,
                journal=journal,
                crew=crew,
                budget=budget,
                announce=order.terminal.announce,
            )
            found = host.run()
        runs = {} if profile is None else _measure(order, profile, found, journal, store_path)
    return found, runs


def _measure(
    order: _Order, profile: "DeviceProfile", found: "Found", journal: "Journal", store_path: Path | None
) -> "dict[str, Run]":
    """A Run of each export, by recipe: from the journal, or measured now.

    Runs that were timed are compared within one session only: with a new export all are measured again.
    """
    from edgeq.cli.measuring import measure_subjects
    from edgeq.compile.search.journal import Measured
    from edgeq.measure.choices import Choices
    from edgeq.measure.passes import Subject
    from edgeq.results.rescue import flaw_of

    keys = {each.artifact.info.sha256: _key_of(each.artifact, profile) for each in found.candidates}
    known = {
        sha256: entry.run for sha256, key in keys.items() if isinstance(entry := journal.find(key), Measured)
    }
    new = [each.artifact for each in found.candidates if each.artifact.info.sha256 not in known]
    if new and profile.clock == "wall":
        new, known = [each.artifact for each in found.candidates], {}

    def keep(run: "Run") -> None:
        # What came of the check of its outputs would come of it again.
        if not run.invalid and (run.status == "ok" or flaw_of(run) is not None):
            known[run.artifact.sha256] = run
            journal.add(Measured(key=keys[run.artifact.sha256], run=run))

    if new:
        choices = Choices(passes=("latency", "outputs"))
        subjects = [Subject(artifact) for artifact in new]
        _, errors = measure_subjects(profile, subjects, choices, order.terminal, store_path, keep)
        for error in errors:
            if not isinstance(error, MeasurementError):
                raise error
            print_error(error)
    runs = {each.recipe.name: known.get(each.artifact.info.sha256) for each in found.candidates}
    return {name: run for name, run in runs.items() if run is not None}


def _key_of(artifact: "Artifact", profile: "DeviceProfile") -> str:
    """All that a Run of `artifact` on `profile` depends on, besides the device's state."""
    import msgspec

    import edgeq
    from edgeq.cache import key_of
    from edgeq.runner.build import hash_runner

    return key_of(
        {
            "program": artifact.info.sha256,
            "profile": msgspec.to_builtins(profile),
            "edgeq": edgeq.__version__,
            "executorch": artifact.info.executorch,
            "runner": hash_runner(),
        }
    )


def _judge(
    order: _Order,
    profile: "DeviceProfile | None",
    max_slower: float | None,
    found: "Found",
    runs: "dict[str, Run]",
) -> "Rescue":
    from edgeq.results.records import Missing
    from edgeq.results.rescue import Option, Simulation, cost_of, flaw_of, judge_options

    nowhere = Missing(missing="no device was named" if profile is None else "its run was not usable")
    options = [
        Option(
            recipe=each.recipe.name,
            metrics=each.artifact.info.accuracy.host,
            loss=each.loss,
            bytes=each.artifact.info.bytes,
            cost=cost_of(runs[each.recipe.name]) if each.recipe.name in runs else nowhere,
            flaw=flaw_of(runs[each.recipe.name]) if each.recipe.name in runs else None,
            is_reference=not each.recipe.is_quantized,
        )
        for each in found.candidates
    ]
    simulations = [
        Simulation(
            recipe=each.tried.recipe.name,
            metrics=each.tried.metrics,
            loss=each.loss,
            sqnr_db=each.tried.sqnr_db if isfinite(each.tried.sqnr_db) else None,
            share=each.share,
            refused=each.tried.refused,
        )
        for each in found.trials
    ]
    device = None if profile is None else profile.name
    return judge_options(order.name, device, order.start.name, max_slower, options, simulations)


def _write(
    rescue: "Rescue", found: "Found", runs: "dict[str, Run]", folder: Path, json_file: Path | None
) -> None:
    """The recipe file, the whole as JSON where that was asked for, and the reports of the device's runs."""
    import msgspec

    from edgeq.artifact import read_graphs
    from edgeq.compile.recipe_text import encode_recipe
    from edgeq.report.files import write_pages, write_report

    best = next(each.recipe for each in found.candidates if each.recipe.name == rescue.best)
    write_atomic(folder / BEST, encode_recipe(best))
    if json_file is not None:
        write_atomic(json_file, msgspec.json.format(msgspec.json.encode(rescue), indent=2) + b"\n")
    if rescue.device is not None and runs:
        write_report(folder / rescue.device, list(runs.values()))
        graphs = read_graphs([each.artifact for each in found.candidates])
        write_pages(folder, {rescue.device: list(runs.values())}, graphs)


def _show(rescue: "Rescue", runs: "dict[str, Run]", order: _Order) -> None:
    from edgeq.report.rescue import rescue_sections
    from edgeq.report.text import render_text

    click.echo(render_text(rescue_sections(rescue)))
    order.terminal.announce(f"{order.folder / BEST}: `edgeq export {order.workload} --recipe` takes it")
    if runs:
        order.terminal.announce(f"report: {order.folder / str(rescue.device) / 'report.html'}")


def _conclude(rescue: "Rescue", found: "Found", runs: "dict[str, Run]", folder: Path) -> None:
    """Exit as what was found says; what is not known comes before a no that may rest on it."""
    unknown = [each.recipe.name for each in found.candidates if each.recipe.name not in runs]
    if rescue.device is not None and unknown:
        raise MeasurementError(
            f"no usable run on {rescue.device} of {', '.join(unknown)}: what they cost is not known",
            hint=f"{folder / BEST} was picked without it; with --out {folder} they are measured again",
        )
    if not rescue.meets:
        raise GateFailed(
            f"no recipe that was tried meets what was asked; {folder / BEST} has the nearest",
            hint="allow more, give a longer --budget or more --trials, or train with int8-qat",
        )
