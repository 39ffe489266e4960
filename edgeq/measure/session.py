"""One device, some artifacts, one Run each: everything is checked first, a Run is handed over when it exists.

A device that fails costs its own runs only; a run that fails is a Run too, with what was measured so far.
"""

import datetime
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from msgspec.structs import replace

from edgeq.devices.board_image import find_image
from edgeq.devices.conditions import read_conditions
from edgeq.devices.deploy import store_path
from edgeq.devices.link import Link, Progress
from edgeq.devices.opening import open_device
from edgeq.devices.probe import identify
from edgeq.devices.profile import BoardSpec, DeviceProfile
from edgeq.errors import EdgeqError, InputError
from edgeq.measure.latency import default_spec
from edgeq.measure.passes import Findings, Passes, Subject, program_files
from edgeq.measure.reference import find_reference
from edgeq.results.records import Conditions, DeviceInfo, Failure, Reading, Run, Spec
from edgeq.runner import EXECUTORCH
from edgeq.runner.build import RunnerBundle, build_runner
from edgeq.runner.launch import Launcher, runner_files

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Choices:
    """What the user chose of the run policy; None leaves the default of the device's clock."""

    threads: int = 1
    cpus: tuple[int, ...] = ()
    warmup: int | None = None
    iterations: int | None = None
    passes: tuple[str, ...] = ("latency", "operators", "outputs")
    timeout: int = 600


@dataclass(frozen=True)
class Outcome:
    """A Run, and the error that ended it, if one did."""

    run: Run
    error: EdgeqError | None


def resolve_spec(profile: DeviceProfile, choices: Choices) -> Spec:
    """The spec of a run on that device.

    Raises:
        InputError: the device cannot do what was chosen.
    """
    if isinstance(profile.link, BoardSpec) and (choices.threads != 1 or any(choices.cpus)):
        raise InputError(
            f"{profile.name} has one core, so that its clock counts instructions: it runs one thread",
            hint="leave out --threads and --cpus for this device",
        )
    spec = default_spec(profile.clock)
    iterations = spec.iterations if choices.iterations is None else (choices.iterations, choices.iterations)
    return replace(
        spec,
        threads=choices.threads,
        cpus=choices.cpus,
        warmup=spec.warmup if choices.warmup is None else choices.warmup,
        iterations=iterations,
        agreement=spec.agreement if choices.iterations is None else None,
        passes=choices.passes,
        timeout=choices.timeout,
    )


def prepare_device(profile: DeviceProfile, announce: Announce) -> None:
    """Make what the device needs and no artifact is needed for: the runner and, for a board, its image.

    Raises:
        HostError, BuildError: a tool is missing, or a build failed.
    """
    if profile.arch is not None:
        build_runner(EXECUTORCH, profile.arch, announce=announce)
    if isinstance(profile.link, BoardSpec):
        find_image(announce)


class Sessions:
    """The devices that one command has open; another thread can let go of them all."""

    def __init__(self) -> None:
        self._stacks: list[ExitStack] = []
        self._lock = threading.Lock()
        self._aborted = False

    def measure_device(
        self,
        profile: DeviceProfile,
        subjects: Sequence[Subject],
        choices: Choices,
        *,
        announce: Announce,
        keep: Callable[[Outcome], None],
        progress: Progress | None = None,
    ) -> None:
        """Measure every subject on one device; `keep` gets each Outcome as soon as it exists.

        Raises:
            InputError: nothing was opened, because what was asked cannot be done.
        """
        spec = resolve_spec(profile, choices)
        waiting = list(subjects)
        try:
            with self._stack() as stack:
                session = _Session(profile, spec, announce, progress, subjects)
                if self._aborted:
                    return
                session.open(stack)
                while waiting and not self._aborted:
                    announce(f"measuring {waiting[0].artifact.label}")
                    outcome = session.measure(waiting[0])
                    if not self._aborted:
                        waiting.pop(0)
                        keep(outcome)
                    if outcome.error is not None and outcome.error.transient:
                        # What was cut off may still run there, and would disturb the next one.
                        raise outcome.error
        except EdgeqError as error:
            if isinstance(error, InputError):
                raise
            while waiting and not self._aborted:
                subject = waiting.pop(0)
                keep(Outcome(_run(subject, None, spec, Findings(), Conditions(), error), error))

    def abort(self) -> None:
        """Close every device now, all at once; the threads that use them come to their end."""
        with self._lock:
            self._aborted = True
            stacks = list(self._stacks)

        def close(stack: ExitStack) -> None:
            with suppress(EdgeqError):
                stack.close()

        closing = [threading.Thread(target=close, args=(stack,)) for stack in stacks]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    @contextmanager
    def _stack(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            with self._lock:
                self._stacks.append(stack)
            yield stack


class _Session:
    """A device with a runner of each ExecuTorch version that the subjects need.

    Making one checks and builds what can be before the device is opened.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        spec: Spec,
        announce: Announce,
        progress: Progress | None,
        subjects: Sequence[Subject],
    ) -> None:
        self._profile = profile
        self._spec = spec
        self._announce = announce
        self._progress = progress
        self._subjects = subjects
        self._references = {
            subject.artifact.program: find_reference(subject.artifact, _version(subject))
            for subject in subjects
        }
        self._bundles = {} if profile.arch is None else _build(subjects, profile.arch, announce)

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
        self._link: Link = stack.enter_context(device)
        self._device = identify(self._link, profile)
        bundles = self._bundles or _build(self._subjects, self._device.arch, self._announce)
        self._launchers = {
            version: stack.enter_context(Launcher(self._link, bundle, profile.work_folder, self._progress))
            for version, bundle in bundles.items()
        }

    def measure(self, subject: Subject) -> Outcome:
        """One Run; a failure of the runner or of the outputs is in it, a broken link ends the device."""
        launcher = self._launchers[_version(subject)]
        reference = self._references[subject.artifact.program]
        passes = Passes(launcher, subject, reference, self._spec, self._profile.clock)
        before: dict[str, Reading] = {}
        after: dict[str, Reading] = {}
        error: EdgeqError | None = None
        try:
            before = read_conditions(self._link)
            passes.run()
        except EdgeqError as caught:
            error = caught
        if error is None or not error.transient:
            try:
                after = read_conditions(self._link)
            except EdgeqError as caught:
                error = error or caught
        conditions = Conditions(before=before, after=after)
        return Outcome(_run(subject, self._device, self._spec, passes.findings, conditions, error), error)


def _version(subject: Subject) -> str:
    """ExecuTorch release to run the subject with; for one made elsewhere, the one edgeq is tested with."""
    return subject.artifact.info.executorch or EXECUTORCH


def _build(subjects: Sequence[Subject], arch: str, announce: Announce) -> dict[str, RunnerBundle]:
    versions = sorted({_version(subject) for subject in subjects})
    return {version: build_runner(version, arch, announce=announce) for version in versions}


def _run(
    subject: Subject,
    device: DeviceInfo | None,
    spec: Spec,
    findings: Findings,
    conditions: Conditions,
    error: EdgeqError | None,
) -> Run:
    info = subject.artifact.info
    if findings.accuracy is not None:
        info = replace(info, accuracy=replace(info.accuracy, device=findings.accuracy))
    return Run(
        id=uuid.uuid4().hex,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        status="ok" if error is None else "failed",
        error=None if error is None else _failure(error),
        artifact=info,
        device=device,
        spec=spec,
        conditions=conditions,
        series=findings.series,
        memory=findings.memory,
        operators=findings.operators,
        outputs=findings.outputs,
        warnings=(
            *(subject.artifact.manifest.warnings if subject.artifact.manifest else ()),
            *findings.warnings,
        ),
    )


def _failure(error: EdgeqError) -> Failure:
    return Failure(stage=error.stage, kind=type(error).__name__, message=error.message, hint=error.hint)
