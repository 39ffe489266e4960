"""A device in use: locked, runners deployed, one Run for each artifact. A run that fails is a Run too."""

import datetime
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from edgeq.agreement import Rung
from edgeq.devices.adb.phone import check_phone
from edgeq.devices.board.image import find_image
from edgeq.devices.conditions import read_conditions
from edgeq.devices.deploy import store_path
from edgeq.devices.link import Link, Progress
from edgeq.devices.opening import open_device
from edgeq.devices.probe import identify
from edgeq.devices.profile import AdbSpec, BoardSpec, DeviceProfile
from edgeq.devices.tuning import tuned
from edgeq.devices.watching import Watch, find_watch
from edgeq.devices.work_folder import use_work_folder
from edgeq.errors import DeviceUnreachable, EdgeqError, InputError
from edgeq.measure.app import add_app_readings
from edgeq.measure.paired import Contestant, Interleaving, Plan
from edgeq.measure.passes import Findings, Passes, Subject, program_files
from edgeq.measure.power import Found, find_power_probes
from edgeq.measure.reference import Reference, find_reference
from edgeq.measure.validity import await_cool, find_faults, is_timed
from edgeq.plain import conceal
from edgeq.results.records import Accuracy, Conditions, DeviceInfo, Failure, Reading, Run, Spec
from edgeq.runner import EXECUTORCH
from edgeq.runner.app import Apk, AppLauncher
from edgeq.runner.build import RunnerBundle, build_runner
from edgeq.runner.jobs import JobLauncher
from edgeq.runner.launch import Launcher, runner_files

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """A Run, and the error that ended it, if one did."""

    run: Run
    error: EdgeqError | None


def prepare_device(profile: DeviceProfile, announce: Announce) -> None:
    """Make what the device needs and no artifact is needed for: the runner and, for a board, its image.

    Raises:
        HostError, BuildError: a tool is missing, or a build failed.
    """
    if profile.arch is not None:
        build_runner(EXECUTORCH, profile.arch, announce=announce)
    if isinstance(profile.link, BoardSpec):
        find_image(announce)


class DeviceSession:
    """A device with a runner of each ExecuTorch version that the subjects need."""

    def __init__(
        self,
        profile: DeviceProfile,
        spec: Spec,
        subjects: Sequence[Subject],
        *,
        wait: float,
        tune: bool,
        announce: Announce,
        progress: Progress | None,
        apk: Apk | None = None,
    ) -> None:
        self._profile = profile
        self._apk = apk
        self._spec = spec
        self._wait = wait
        self._tune = tune
        self._announce = announce
        self._progress = progress
        self._subjects = subjects
        self._link: Link | None = None
        self._device: DeviceInfo | None = None
        self._references: dict[Path, Reference] = {}
        self._bundles: dict[str, RunnerBundle] = {}
        self._launchers: Mapping[str, JobLauncher] = {}
        self._probes: Found = ((), {})
        self._watching: Watch | None = None

    def prepare(self) -> None:
        """Check and build what can be before the device is opened.

        Raises:
            InputError: the app was built with another ExecuTorch than a subject, or cannot feed it.
            HostError, BuildError: a tool is missing, or a build failed.
        """
        for subject in self._subjects:
            if self._apk is None:
                continue
            _require_rows(subject)
            if _version(subject) != self._apk.executorch:
                raise InputError(
                    f"{subject.artifact.label} is for ExecuTorch {_version(subject)}, "
                    f"and {self._apk.path} was built with {self._apk.executorch}"
                )
        self._references = {
            subject.artifact.program: find_reference(subject.artifact, _version(subject))
            for subject in self._subjects
        }
        if self._profile.arch is not None and self._apk is None:
            self._bundles = _build(self._subjects, self._profile.arch, self._announce)

    def open(self, stack: ExitStack) -> None:
        """Open the device and deploy the runners; `stack` closes what was opened."""
        profile = self._profile
        sets = [files for bundle in self._bundles.values() for files in runner_files(bundle)]
        sets += [
            files
            for subject in self._subjects
            for files in program_files(subject.artifact, self._references[subject.artifact.program])
        ]
        preload = {
            f"{store_path(profile.work_folder, files)}/{name}": path
            for files in sets
            for name, path in files.items()
        }
        device = open_device(profile, preload=preload, announce=self._announce)
        link = self._link = stack.enter_context(device)
        if not isinstance(profile.link, BoardSpec):  # a board is made for this session, and goes with it
            reserved = use_work_folder(link, profile, wait=self._wait, announce=self._announce)
            stack.enter_context(reserved)
        if isinstance(profile.link, AdbSpec):
            check_phone(link, profile.work_folder)
        if self._tune:
            stack.enter_context(tuned(link, profile, self._announce, power="power" in self._spec.passes))
        self._device = identify(link, profile)
        if "power" in self._spec.passes and profile.clock == "wall":
            self._probes = find_power_probes(link, profile.sensors)
        if "latency" in self._spec.passes and profile.clock == "wall" and not self._spec.in_app:
            self._watching = find_watch(link, profile.sensors)
        self._launchers = self._start_launchers(link, self._device.arch, stack)

    def _start_launchers(self, link: Link, arch: str, stack: ExitStack) -> Mapping[str, JobLauncher]:
        """A launcher for each version of ExecuTorch; the app has one."""
        folder = self._profile.work_folder
        if self._apk is not None:
            app = AppLauncher(link, self._apk, folder, self._progress, self._announce)
            return {self._apk.executorch: stack.enter_context(app)}
        is_phone = isinstance(self._profile.link, AdbSpec)
        bundles = self._bundles or _build(self._subjects, arch, self._announce)
        return {
            version: stack.enter_context(Launcher(link, bundle, folder, self._progress, standalone=is_phone))
            for version, bundle in bundles.items()
        }

    @property
    def spec(self) -> Spec:
        """How every subject is run that is given no spec of its own."""
        return self._spec

    def let_go(self) -> None:
        """End what runs on the device now; whoever waits for it gets an error."""
        if self._link is not None:
            self._link.close()

    def fail(self, subject: Subject, error: EdgeqError) -> Outcome:
        """The Run of a subject that was not measured, since the device failed before."""
        return Outcome(self._record(subject, Findings(), Conditions(), error), error)

    def measure(self, subject: Subject) -> Outcome:
        """One Run; a failure of the runner or of the outputs is in it, a broken link ends the device."""
        link, launcher = self._link, self._launchers[_version(subject)]
        assert link is not None  # noqa: S101 - `open` came before
        reference = self._references[subject.artifact.program]
        passes = Passes(launcher, subject, reference, self._spec, self._profile, self._probes, self._watching)
        conditions, error = self._watch(link, passes.run)
        return Outcome(self._record(subject, passes.findings, conditions, error), error)

    def measure_rounds(self, entries: Sequence[tuple[Subject, Spec]], plan: Plan) -> list[Outcome]:
        """One Run for each entry, all measured in rounds; the first is the base.

        What breaks a round ends them all: every Run has the error, and what was measured before it.

        Raises:
            InputError: the device has no clock.
        """
        link, clock = self._link, self._profile.clock
        assert link is not None  # noqa: S101 - `open` came before
        if clock == "none":
            raise InputError(f"{self._profile.name} has no clock: there is nothing to compare by")
        rounds = Interleaving(plan, clock, uuid.uuid4().hex)
        passes: list[Passes] = []
        contestants: list[Contestant] = []
        for subject, spec in entries:
            launcher = self._launchers[_version(subject)]
            reference = self._references[subject.artifact.program]
            passes.append(Passes(launcher, subject, reference, spec, self._profile, watch=self._watching))

        def run() -> None:
            contestants.extend(each.enter() for each in passes)
            rounds.run(contestants, self._announce)
            self._announce(rounds.ended_by)

        conditions, error = self._watch(link, run)
        outcomes = []
        for place, (subject, spec) in enumerate(entries):
            passes[place].take_rounds(rounds, place)
            failure = error or _check(passes[place], contestants[place])
            record = self._record(subject, passes[place].findings, conditions, failure, spec)
            outcomes.append(Outcome(record, failure))
        return outcomes

    def _watch(self, link: Link, work: Callable[[], None]) -> tuple[Conditions, EdgeqError | None]:
        """Do `work` between two readings of the conditions; the error that ended it, if one did."""
        before: dict[str, Reading] = {}
        after: dict[str, Reading] = {}
        error: EdgeqError | None = None
        try:
            if is_timed(self._spec):
                await_cool(link, self._profile, self._announce)
            before = read_conditions(link, self._profile)
            work()
        except EdgeqError as caught:
            error = caught
        if not isinstance(error, DeviceUnreachable):
            try:
                after = read_conditions(link, self._profile)
            except EdgeqError as caught:
                error = error or caught
        return Conditions(before=before, after=after), error

    def _find_faults(self, conditions: Conditions, findings: Findings, spec: Spec) -> tuple[str, ...]:
        if self._device is None or not is_timed(spec):
            return ()
        return find_faults(self._profile, conditions, findings.series, findings.pairing, spec.cpus)

    def _record(
        self,
        subject: Subject,
        findings: Findings,
        conditions: Conditions,
        error: EdgeqError | None,
        spec: Spec | None = None,
    ) -> Run:
        info = subject.artifact.info
        info = replace(info, accuracy=score_device(info.accuracy, findings.accuracy))
        manifest = subject.artifact.manifest
        return Run(
            id=uuid.uuid4().hex,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            status="ok" if error is None else "failed",
            error=None if error is None else _failure(error, self._profile),
            invalid=self._find_faults(conditions, findings, spec or self._spec),
            artifact=info,
            device=self._device,
            spec=spec or self._spec,
            conditions=add_app_readings(conditions, findings.told),
            series=findings.series,
            not_measured=findings.not_measured,
            memory=findings.memory,
            operators=findings.operators,
            outputs=findings.outputs,
            pairing=findings.pairing,
            warnings=(*(manifest.warnings if manifest else ()), *findings.warnings),
        )


def score_device(accuracy: Accuracy, found: Rung | None) -> Accuracy:
    """The ladder with its last rung: what the device scored, or why nothing could be scored anywhere."""
    if found is not None:
        agreement = {**accuracy.agreement, "device": found.closeness}
        return replace(accuracy, device=found.metrics, agreement=agreement)
    return replace(accuracy, device=accuracy.eager) if "missing" in accuracy.eager else accuracy


def _check(passes: Passes, contestant: Contestant) -> EdgeqError | None:
    try:
        passes.check(contestant.job)
    except EdgeqError as error:
        return error
    return None


def _require_rows(subject: Subject) -> None:
    """Refuse a program whose tensors an app would take for what they are not."""
    manifest = subject.artifact.manifest
    borders = (*manifest.inputs, *manifest.outputs) if manifest else ()
    turned = [spec.name for spec in borders if spec.channels_last]
    if turned:
        raise InputError(
            f"{subject.artifact.label} has {', '.join(turned)} with the channels last, and tensors of "
            "ExecuTorch's Java library are row-major",
            hint="bench it without --in-app, or export it without `channels_last`",
        )


def _version(subject: Subject) -> str:
    """ExecuTorch release to run the subject with; for one made elsewhere, the one edgeq is tested with."""
    return subject.artifact.info.executorch or EXECUTORCH


def _build(subjects: Sequence[Subject], arch: str, announce: Announce) -> dict[str, RunnerBundle]:
    versions = sorted({_version(subject) for subject in subjects})
    return {version: build_runner(version, arch, announce=announce) for version in versions}


def _failure(error: EdgeqError, profile: DeviceProfile) -> Failure:
    words = (*error.private, *profile.private_words)
    return Failure(
        stage=error.stage,
        kind=type(error).__name__,
        message=conceal(error.message, words),
        hint=None if error.hint is None else conceal(error.hint, words),
    )
