"""The passes of one artifact on one device (latency, memory, outputs, operators), a process each."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from edgeq.agreement import Rung, missing_rung
from edgeq.artifact import Artifact, Samples, read_samples, write_samples
from edgeq.devices.profile import DeviceProfile
from edgeq.devices.watching import Watch
from edgeq.errors import ArtifactError, DeviceError, MeasurementError, RunnerError
from edgeq.measure.app import find_app_series, find_app_warnings, join_told, mark_in_app
from edgeq.measure.etdump import read_etdump
from edgeq.measure.gaps import NOT_ASKED, find_gaps, find_operator_gap
from edgeq.measure.latency import latency_series, ticks_to_unit
from edgeq.measure.memory import is_warm, memory_job, memory_parts, memory_series
from edgeq.measure.operators import operator_table
from edgeq.measure.outputs import check_outputs, is_constant
from edgeq.measure.paired import Contestant, Interleaving
from edgeq.measure.power import Found, PowerFindings, measure_power
from edgeq.measure.reference import Reference
from edgeq.measure.shortfall import find_shortfalls
from edgeq.measure.watch import find_watched, watch_job
from edgeq.results.records import (
    Memory,
    Missing,
    Operator,
    OutputCheck,
    Pairing,
    RunWarning,
    Series,
    Spec,
)
from edgeq.results.stats import summarize
from edgeq.runner.job import InApp, Job, Result
from edgeq.runner.jobs import JobLauncher

# Traced inferences: as many as this many ticks hold, since XNNPACK rounds each kernel to 1,000 ticks and a
# mean over cheap ones averages that out; one is enough where a thousand ticks are nothing.
_TRACED_TICKS, _TRACED_MOST = 50_000_000, 10
_CONSTANT = RunWarning(
    code="constant-reference",
    message="the reference outputs are the same for every sample, so that the output check proves little; "
    "untrained networks do that when their signals die out",
)
_NOT_ASKED = Missing(missing=NOT_ASKED)
_NOT_IN_ROUNDS = "rounds measure no power; run without --paired"
_PROGRAM, _INPUTS = "model.pte", "inputs.safetensors"
# Evaluation inputs that lie on a device at once.
_BATCH_BYTES = 16_000_000


@dataclass(frozen=True)
class Evaluation:
    """Inputs of the user's evaluation, and what scores the outputs that a device gives for them."""

    inputs: Samples
    score: Callable[[Samples], Rung]


@dataclass(frozen=True)
class Subject:
    """An artifact to measure, with its evaluation when there is one."""

    artifact: Artifact
    evaluation: Evaluation | None = None


def program_files(artifact: Artifact, reference: Reference) -> tuple[dict[str, Path], dict[str, Path]]:
    """Program and reference inputs as files to deploy; two sets, since artifacts may share their inputs."""
    return {_PROGRAM: artifact.program}, {_INPUTS: reference.inputs}


@dataclass
class Findings:
    """What was measured so far; a run that breaks off keeps it."""

    series: tuple[Series, ...] = ()
    not_measured: dict[str, str] = field(default_factory=dict)
    memory: Memory | None = None
    operators: tuple[Operator, ...] | Missing = _NOT_ASKED
    outputs: OutputCheck | None = None
    accuracy: Rung | None = None
    pairing: Pairing | None = None
    warnings: list[RunWarning] = field(default_factory=list)
    told: InApp | None = None


class Passes:
    """Runs the passes of one subject and writes what they show into `findings`."""

    def __init__(
        self,
        launcher: JobLauncher,
        subject: Subject,
        reference: Reference,
        spec: Spec,
        profile: DeviceProfile,
        probes: Found = ((), {}),
        watch: Watch | None = None,
    ) -> None:
        self._launcher = launcher
        self._subject = subject
        self._reference = reference
        self._spec = spec
        self._clock = profile.clock
        self._probes = probes
        self._watch = None if watch is None else watch.on_cores(spec.cpus)
        self.findings = Findings(
            not_measured=find_gaps(profile, spec), operators=find_operator_gap(profile, spec)
        )

    def run(self) -> None:
        """Deploy the program with its inputs, then run each pass that the spec names.

        Raises:
            MeasurementError: the outputs are not those of the reference.
            RunnerError, DeployError, DeviceUnreachable: as the device says.
        """
        latency = self.deploy()
        if "latency" in self._spec.passes:
            self._latency(latency)
        if "power" in self._spec.passes and self._clock == "wall" and not self._spec.in_app:
            measure_power(self._launcher, latency, *self._probes, self._keep_power)
        self.check(latency)

    def check(self, latency: Job) -> None:
        """Run the passes beside `latency` that the spec names: memory, outputs and operators.

        Raises:
            MeasurementError: the outputs are not those of the reference.
            RunnerError, DeviceUnreachable: as the device says.
        """
        latency = replace(latency, sampling=None)
        if "memory" in self._spec.passes:
            self._memory(latency)
        outputs = self._launcher.run_path("outputs.safetensors") if "outputs" in self._spec.passes else None
        if "operators" in self._spec.passes and self._clock != "none" and not self._spec.in_app:
            self._operators(replace(latency, kind="operators", warmup=0, steady=None, outputs=outputs))
        elif outputs is not None:
            self._launcher.run(replace(latency, kind="outputs", outputs=outputs))
        if outputs is not None:
            self._check(self._read_outputs(outputs))
            self._evaluate(replace(latency, kind="outputs", outputs=outputs))

    def deploy(self) -> Job:
        """Deploy the program with its inputs; their latency pass.

        Raises:
            DeployError, DeviceUnreachable: as the device says.
        """
        program, inputs = map(self._launcher.deploy, program_files(self._subject.artifact, self._reference))
        return Job(
            kind="latency",
            program=f"{program}/{_PROGRAM}",
            inputs=f"{inputs}/{_INPUTS}",
            threads=self._spec.threads,
            cpus=self._spec.cpus,
            warmup=self._spec.warmup,
            warmup_seconds=self._spec.warmup_seconds,
            steady=self._spec.steady,
            rate=self._spec.rate,
            pause=self._spec.pause,
            iterations=self._spec.iterations,
            seconds=self._spec.seconds,
            agreement=self._spec.agreement,
            deadline=self._spec.timeout,
        )

    def _watched(self, latency: Job) -> Job:
        return latency if self._watch is None else watch_job(latency, self._watch)

    def _keep_told(self, results: Sequence[Result]) -> None:
        self.findings.told = told = join_told(results)
        self.findings.series += find_app_series(told)
        self.findings.warnings += find_app_warnings(told)

    def _keep_watched(self, results: Sequence[Result]) -> None:
        if self._watch is None:
            return
        found = find_watched(results, self._watch)
        self.findings.series += tuple(found.series)
        self.findings.not_measured |= found.not_measured
        self.findings.warnings += found.warnings

    def enter(self) -> Contestant:
        """This subject as one of several that are measured in rounds.

        Raises:
            DeployError, DeviceUnreachable: as the device says.
        """
        return Contestant(self._launcher, self._watched(self.deploy()))

    def take_rounds(self, rounds: Interleaving, place: int) -> None:
        """Keep what the rounds gave for this subject; its memory is that of the first one."""
        if not (results := rounds.results(place)):
            return
        self.findings.series = self._place(rounds.series(place))
        self.findings.pairing = rounds.pairing(place)
        self.findings.memory = memory_parts(results[0], self._subject.artifact.info.bytes, self._clock)
        self.findings.warnings += find_shortfalls(results, self._spec)
        self._keep_told(results)
        self._keep_watched(results)
        if "power" in self._spec.passes and self._clock == "wall":
            self.findings.not_measured |= dict.fromkeys(("power", "energy"), _NOT_IN_ROUNDS)

    def _latency(self, job: Job) -> None:
        result = self._launcher.run(self._watched(job), keep=self._keep_latency)
        if self._clock == "none":
            return
        self.findings.warnings += find_shortfalls([result], self._spec)
        if not is_warm(result):
            self.findings.warnings.append(_not_warm(result))
        measured = len(result.times.measured) if result.times else 0
        is_enough = measured >= job.iterations[0]
        if is_enough and job.agreement is not None and result.stopped_by != "agreement":
            self.findings.warnings.append(_not_agreed(result, job))

    def _keep_latency(self, result: Result) -> None:
        """Also of a pass that was cut off: what it had reached."""
        self.findings.series = self._place(latency_series(result, self._clock))
        self._keep_told([result])
        self.findings.memory = memory_parts(result, self._subject.artifact.info.bytes, self._clock)
        self._keep_watched([result])

    def _memory(self, latency: Job) -> None:
        result = self._launcher.run(memory_job(latency))
        series, gaps = memory_series(result, self._clock)
        self.findings.series += self._place(series)
        self.findings.not_measured |= gaps
        self.findings.memory = memory_parts(result, self._subject.artifact.info.bytes, self._clock)

    def _place(self, series: tuple[Series, ...]) -> tuple[Series, ...]:
        """`series` with the place of the run in their sources, where that is an app."""
        return mark_in_app(series) if self._spec.in_app else series

    def _keep_power(self, found: PowerFindings) -> None:
        self.findings.series += tuple(found.series)
        self.findings.not_measured |= found.not_measured
        self.findings.warnings += found.warnings

    def _operators(self, job: Job) -> None:
        etdump = self._launcher.run_path("trace.etdump")
        factor, unit = ticks_to_unit(self._clock)
        traced = _traced_inferences(self.findings.series, factor)
        self._launcher.run(replace(job, etdump=etdump, iterations=(traced, traced)))
        blocks = read_etdump(self._launcher.pull(etdump))
        self.findings.operators = operator_table(blocks, traced, factor, unit, self._reference.graph)

    def _check(self, got: Samples) -> None:
        reference = read_samples(self._reference.outputs)
        check = check_outputs(reference, got, quantized=self._reference.quantized)
        self.findings.outputs = check
        if is_constant(reference):
            self.findings.warnings.append(_CONSTANT)
        if not check.within:
            sqnr = "" if check.sqnr_db is None else f" (SQNR {check.sqnr_db:.1f} dB)"
            raise MeasurementError(
                f"{self._subject.artifact.label}: the device's outputs are not the reference's{sqnr}; "
                f"the bound is {check.bound}",
                hint="the numbers of this run are of a wrong computation; `edgeq inspect` shows the program",
            )

    def _evaluate(self, job: Job) -> None:
        """The user's evaluation on the device's outputs; a device that cannot do it costs no other number."""
        evaluation = self._subject.evaluation
        if evaluation is None:
            return
        outputs: Samples = []
        try:
            for batch in _batches(evaluation.inputs):
                outputs += self._answer(batch, job)
        except DeviceError as error:
            self.findings.accuracy = missing_rung(f"the device failed in the evaluation: {error.message}")
            return
        self.findings.accuracy = evaluation.score(outputs)

    def _answer(self, batch: Samples, job: Job) -> Samples:
        remote = self._launcher.run_path("evaluation.safetensors")
        with tempfile.TemporaryDirectory(prefix="edgeq-evaluation-") as temporary:
            local = Path(temporary) / "inputs"
            write_samples(local, batch)
            self._launcher.push(local, remote)
        self._launcher.run(replace(job, inputs=remote))
        return self._read_outputs(str(job.outputs))

    def _read_outputs(self, remote: str) -> Samples:
        with tempfile.TemporaryDirectory(prefix="edgeq-outputs-") as temporary:
            local = Path(temporary) / "outputs.safetensors"
            local.write_bytes(self._launcher.pull(remote))
            try:
                return read_samples(local)
            except ArtifactError as error:
                raise RunnerError(f"the outputs that came back are damaged: {error.message}") from error


def _batches(samples: Samples) -> Iterator[Samples]:
    """`samples` in order, in parts that fit a small device."""
    part: Samples = []
    size = 0
    for sample in samples:
        part.append(sample)
        size += sum(array.nbytes for array in sample)
        if size >= _BATCH_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _not_warm(result: Result) -> RunWarning:
    share = result.cached or 0.0
    return RunWarning(
        code="load-not-warm",
        message=f"{share:.0%} of the program's file lay in the page cache when it was loaded: load, init and "
        "the first inference hold some reading from the disk",
        facts={"cached": share},
    )


def _traced_inferences(series: tuple[Series, ...], factor: float) -> int:
    latency = next((s.values for s in series if s.name == "latency" and s.phase == "measured"), ())
    if not latency:
        return 1
    ticks = summarize(latency).median / factor
    return max(1, min(_TRACED_MOST, int(_TRACED_TICKS / max(ticks, 1.0))))


def _not_agreed(result: Result, job: Job) -> RunWarning:
    agreement = job.agreement
    measured = result.times.measured if result.times else ()
    if agreement is None or not measured:
        raise MeasurementError("the runner measured nothing")
    spread = summarize(measured[-agreement.window :]).spread
    return RunWarning(
        code="not-agreed",
        message=f"the last {agreement.window} of {len(measured)} inferences differ by {spread:.2%}, "
        f"{agreement.spread:.2%} was asked for; raise --iterations",
        facts={"spread": spread, "n": len(measured)},
    )
