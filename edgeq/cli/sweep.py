"""`edgeq sweep`: which number of threads, on which cores, is best for an artifact on a device."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cache import write_atomic
from edgeq.cli.policy import Duration, read_cores
from edgeq.cli.store import store_option
from edgeq.cli.terminal import Terminal
from edgeq.errors import InputError

if TYPE_CHECKING:
    from edgeq.measure.choices import Choices
    from edgeq.results.sweep import Setting

_ROUNDS = 20


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--device", required=True, help="Device name or profile file.")
@click.option("--threads", help="Thread counts to try, e.g. 1,2,4 [1, 2, 4, ... up to the cores].")
@click.option(
    "--cpus", "core_sets", multiple=True, help="Cores to pin to, e.g. 0-3; may repeat [each kind of core]."
)
@click.option("--rounds", type=click.IntRange(2), default=_ROUNDS, show_default=True, help="Rounds at most.")
@click.option("--time-limit", type=Duration(), help="Begin no round later than this, e.g. 5m.")
@click.option("--save", help="Write a profile of your own with this name that uses the recommendation.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the runs here too.")
@store_option
@click.option(
    "--wait", type=click.IntRange(0), default=600, show_default=True, help="Seconds for the device."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def sweep(
    artifact: Path,
    device: str,
    threads: str | None,
    core_sets: tuple[str, ...],
    rounds: int,
    time_limit: float | None,
    save: str | None,
    json_file: Path | None,
    store_path: Path | None,
    wait: int,
    *,
    quiet: bool,
) -> None:
    """Find the number of threads, and the cores, on which ARTIFACT is fastest on a device."""
    from edgeq.artifact import load_artifact
    from edgeq.cli.measuring import measure_subjects
    from edgeq.devices.add import check_name, save_setting
    from edgeq.devices.profile import load_profile
    from edgeq.measure.passes import Subject
    from edgeq.measure.sweep import find_clusters, plan_settings
    from edgeq.report.sweep import sweep_section
    from edgeq.report.text import render_text
    from edgeq.results.records import encode_report
    from edgeq.results.sweep import recommend

    terminal, profile, subject = Terminal(quiet=quiet), load_profile(device), Subject(load_artifact(artifact))
    if profile.clock != "wall":
        raise InputError(
            f"{profile.name} has one core and no clock that counts time: there is nothing to sweep",
            hint="a sweep needs a real device",
        )
    if save is not None:
        check_name(save)
    settings = plan_settings(find_clusters(profile), _read_threads(threads), [*map(read_cores, core_sets)])
    choices = _choose(settings, rounds, time_limit, wait)
    runs, errors = measure_subjects(profile, [subject] * len(settings), choices, terminal, store_path)
    if json_file is not None:
        write_atomic(json_file, encode_report(runs))
    if errors:
        raise errors[0]
    found = recommend(runs)
    click.echo(render_text([sweep_section(found, subject.artifact.label, profile.name)]))
    if save is not None:
        path = save_setting(save, device, found.setting.threads, found.setting.cpus)
        terminal.announce(f"{path}: `--device {save}` uses it from now on")


def _choose(settings: "list[Setting]", rounds: int, time_limit: float | None, wait: int) -> "Choices":
    from edgeq.measure.choices import Choices
    from edgeq.measure.paired import draw_plan

    plan = draw_plan(rounds, time_limit, sweep=True)
    return Choices(passes=("latency", "outputs"), wait=wait, paired=plan, settings=tuple(settings))


def _read_threads(text: str | None) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")] if text else []
    except ValueError:
        counts = [0]
    if any(count < 1 for count in counts):
        raise InputError(f"--threads {text}: not a list of thread counts", hint="write it like 1,2,4")
    return counts
