"""Measures on several devices at once, keeps each Run as soon as it exists, and decides the exit code."""

import concurrent.futures
import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from edgeq.artifact import read_graphs
from edgeq.cache import write_atomic
from edgeq.cli.main import print_error
from edgeq.cli.policy import policy_options
from edgeq.cli.store import store_option
from edgeq.cli.terminal import Terminal
from edgeq.devices.profile import DeviceProfile, load_profile
from edgeq.errors import EdgeqError, InputError, MeasurementError, StoreError
from edgeq.graph import ProgramGraph
from edgeq.measure.choices import Choices
from edgeq.measure.device import Outcome
from edgeq.measure.passes import Subject
from edgeq.measure.session import Sessions
from edgeq.report.files import write_pages, write_report
from edgeq.report.sections import report_sections
from edgeq.report.text import render_text
from edgeq.results.labels import git_labels, parse_labels
from edgeq.results.records import Run, encode_report
from edgeq.results.store import Store, default_store_path

_INVALID = "the run is kept, and marked; `limits` in the device profile say what a valid one needs"


@dataclass(frozen=True)
class Order:
    """What every command that measures was asked: how to measure, and where the runs go."""

    choices: Choices
    terminal: Terminal
    json_file: Path | None
    store_path: Path | None
    labels: dict[str, str]


_OPTIONS = (
    click.option(
        "--json", "json_file", type=click.Path(path_type=Path), help="Write the whole report here too."
    ),
    store_option,
    click.option("--label", "labels", multiple=True, help="KEY=VALUE to store with the runs; may repeat."),
    click.option("--quiet", "-q", is_flag=True, help="No progress on stderr."),
)


def measuring_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that measures; the command gets them as one `order`."""

    @policy_options
    @functools.wraps(function)
    def command(
        *,
        choices: Choices,
        json_file: Path | None,
        store_path: Path | None,
        labels: tuple[str, ...],
        quiet: bool,
        **rest: object,
    ) -> None:
        kept = {**git_labels(Path.cwd()), **parse_labels(labels)}
        function(order=Order(choices, Terminal(quiet=quiet), json_file, store_path, kept), **rest)

    wrapped: Callable[..., None] = command
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def load_profiles(names: Sequence[str]) -> list[DeviceProfile]:
    """Profiles by name or path, each once.

    Raises:
        ProfileError: unknown or malformed.
        InputError: two of them have one name.
    """
    profiles = [load_profile(name) for name in dict.fromkeys(names)]
    seen = [profile.name for profile in profiles]
    if twice := sorted({name for name in seen if seen.count(name) > 1}):
        raise InputError(f"two devices are called {', '.join(twice)}", hint="rename one of the profile files")
    return profiles


def measure_on_devices(
    profiles: Sequence[DeviceProfile], subjects: Sequence[Subject], order: Order, out: Path | None
) -> None:
    """Measure all subjects on all devices in parallel, print the tables, write the reports, keep the runs.

    Exits with the code of the first Run that failed, after all have been measured.

    Raises:
        EdgeqError: nothing could be measured, because what was asked cannot be done.
    """
    for folder in (out, order.json_file.parent if order.json_file else None):
        if folder is not None:
            folder.mkdir(
                parents=True, exist_ok=True
            )  # a place that cannot be written is told before the work
    book = Book(profiles, out, Store(order.store_path or default_store_path()), order.labels)
    book.graphs = read_graphs([subject.artifact for subject in subjects])
    measure_all(profiles, subjects, order.choices, order.terminal, book)
    book.show(order)
    if book.errors:
        sys.exit(book.errors[0].exit_code)


def measure_all(
    profiles: Sequence[DeviceProfile],
    subjects: Sequence[Subject],
    choices: Choices,
    terminal: Terminal,
    book: "Book",
) -> None:
    """Measure all subjects on all devices in parallel; `book` keeps the runs and the errors.

    Raises:
        EdgeqError: nothing could be measured, because what was asked cannot be done.
    """
    sessions = Sessions()
    with concurrent.futures.ThreadPoolExecutor(len(profiles)) as pool:
        jobs = [
            pool.submit(
                sessions.measure_device,
                profile,
                subjects,
                choices,
                announce=_prefixed(terminal, profile.name),
                progress=partial(terminal.progress, profile.name),
                keep=partial(book.keep, profile.name),
            )
            for profile in profiles
        ]
        try:
            for job in concurrent.futures.as_completed(jobs):
                try:
                    job.result()
                except InputError as error:  # of one device: the others go on
                    book.fail(error)
        except BaseException:
            sessions.abort()
            raise


def measure_subjects(
    profile: DeviceProfile,
    subjects: Sequence[Subject],
    choices: Choices,
    terminal: Terminal,
    store_path: Path | None,
    kept: Callable[[Run], None] = lambda _: None,
) -> tuple[list[Run], list[EdgeqError]]:
    """One Run for each subject on one device, stored, and what makes it unusable, untold.

    `kept` gets each Run as it comes.
    """
    runs: list[Run] = []
    errors: list[EdgeqError] = []
    store, labels = Store(store_path or default_store_path()), git_labels(Path.cwd())

    def keep(outcome: Outcome) -> None:
        runs.append(outcome.run)
        kept(outcome.run)
        errors.extend(each for each in (outcome.error, _find_invalid(outcome.run)) if each is not None)
        try:
            store.add(outcome.run, labels)
        except EdgeqError as error:
            print_error(error, "this run is not in the store: ")

    announce = _prefixed(terminal, profile.name)
    Sessions().measure_device(profile, subjects, choices, announce=announce, keep=keep)
    store.close()
    return runs, errors


class Book:
    """The runs of one command by device: written and stored as they come, shown at the end.

    `runs` has those of each device, `errors` what went wrong, told already.
    """

    def __init__(
        self, profiles: Sequence[DeviceProfile], out: Path | None, store: Store, labels: dict[str, str]
    ) -> None:
        self.runs: dict[str, list[Run]] = {profile.name: [] for profile in profiles}
        self._out = out
        self._store = store
        self._labels = labels
        self.graphs: dict[str, ProgramGraph] = {}
        self.errors: list[EdgeqError] = []

    def keep(self, name: str, outcome: Outcome) -> None:
        """Keep one Run of the device `name`: the report first, so that a broken store loses nothing."""
        self.runs[name].append(outcome.run)
        if outcome.error is not None:
            self.fail(outcome.error, f"{name}, {outcome.run.artifact.name}.{outcome.run.artifact.recipe}: ")
        if (error := _find_invalid(outcome.run)) is not None:
            self.fail(error, f"{name}: ")
        if self._out is not None:
            try:
                write_report(self._out / name, self.runs[name])
            except OSError as error:
                self.fail(InputError(f"cannot write the report in {self._out / name}: {error.strerror}"))
        try:
            self._store.add(outcome.run, self._labels)
        except StoreError as error:
            self.fail(error, "this run is in its report only: ")

    def close(self) -> None:
        """Nothing more comes."""
        self._store.close()

    def show(self, order: Order) -> None:
        """Print the tables and say where the reports are."""
        self.close()
        for runs in self.runs.values():
            if runs:
                click.echo(render_text(report_sections(runs)))
        if order.json_file is not None:
            write_atomic(order.json_file, encode_report([run for runs in self.runs.values() for run in runs]))
        if self._out is not None:
            pages = write_pages(self._out, self.runs, self.graphs)
            order.terminal.announce(f"reports: {', '.join(map(str, pages))}, and report.md beside each")

    def fail(self, error: EdgeqError, label: str = "") -> None:
        """Print an error and remember it for the exit code."""
        self.errors.append(error)
        print_error(error, label)


def _find_invalid(run: Run) -> MeasurementError | None:
    """The error of a run that was made beyond a limit of its device, None of a valid one."""
    if not run.invalid:
        return None
    label = f"{run.artifact.name}.{run.artifact.recipe}"
    return MeasurementError(f"{label} is not valid: {'; '.join(run.invalid)}", hint=_INVALID)


def _prefixed(terminal: Terminal, name: str) -> Callable[[str], None]:
    return lambda text: terminal.announce(f"{name}: {text}")
