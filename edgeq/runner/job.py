"""The job that goes to a device and the result that comes back; one schema for every runner.

Times are nanoseconds of the device's monotonic clock. On a board whose clock counts instructions one of
these nanoseconds is one guest instruction; the caller knows which clock it was, the runner does not.
"""

from typing import Literal

import msgspec

from edgeq.results.records import Agreement, Record, Steadiness

JOB_SCHEMA = 1

Pass = Literal["latency", "memory", "outputs", "operators"]


class JobSensor(Record, frozen=True, kw_only=True):
    """What the runner reads at once: what is in `files`, or what `command` prints. The other is empty.

    Attributes:
        room: bytes that are enough of each file; None for all (8192 at most, together).
        every: intervals from one reading to the next.
    """

    files: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    room: int | None = None
    every: int = 1


class Sampling(Record, frozen=True, kw_only=True):
    """Sensors that a thread of the runner reads while the latency pass goes on.

    Attributes:
        interval: seconds, 0.001 to 3600; each interval holds one sample, at a point that looks drawn, so that
            nothing periodic is met at the same point each time. What ends before its first sample is read
            once, right at its end.
        cpu: core for the thread; None for any but those of `Job.cpus`, as long as there is another one.
        idle: seconds without work before the warm-up and after the measured phase, sampled as well.
    """

    interval: float
    sensors: tuple[JobSensor, ...]
    cpu: int | None = None
    idle: tuple[float, float] = (0.0, 0.0)


class Job(Record, frozen=True, kw_only=True):
    """One pass of one program. Paths are on the device.

    Attributes:
        kind: `latency` (load, init, first, warm-up, measured), `memory` (two inferences of a program whose
            file was taken out of the page cache before, where that can be done), `outputs` (every sample
            once, outputs kept) or `operators` (the method loaded with an event tracer, `iterations[0]`
            traced inferences).
        inputs: safetensors file with keys `"{sample}.{index}"`; samples are taken in turn.
        outputs: safetensors file to write in the `outputs` pass; the `operators` pass writes it too when
            given, from inferences that come before the traced ones.
        etdump: file to write in the `operators` pass.
        threads: size of the thread pool, at least 1.
        cpus: cores to pin the process to; empty for no pinning.
        warmup: inferences after the first one and before the measured ones, at least.
        warmup_seconds: least and most length of the warm-up, on the device's clock.
        steady: rule that ends the warm-up (after its least inferences and seconds), or None.
        iterations: least and most measured inferences.
        seconds: least and most length of the measured phase, on the device's clock.
        agreement: rule to stop early (after the least iterations and seconds), or None.
        rate: requests per second, in warm-up and measured phase; None for one after the other.
        pause: seconds between the end of an inference and the start of the next.
        sampling: sensors to read on the way; `latency` pass only.
        deadline: seconds after which the runner kills itself.
    """

    schema: int = JOB_SCHEMA
    kind: Pass = msgspec.field(name="pass")
    program: str
    inputs: str
    method: str = "forward"
    outputs: str | None = None
    etdump: str | None = None
    threads: int = 1
    cpus: tuple[int, ...] = ()
    warmup: int = 2
    warmup_seconds: tuple[float, float] = (0.0, 60.0)
    steady: Steadiness | None = None
    iterations: tuple[int, int] = (1, 1)
    seconds: tuple[float, float] = (0.0, 60.0)
    agreement: Agreement | None = None
    rate: float | None = None
    pause: float = 0.0
    sampling: Sampling | None = None
    deadline: int = 600


class RunnerFailure(Record, frozen=True, kw_only=True):
    """Where the runner failed: its stage, ExecuTorch's name of the error, and a message."""

    stage: str
    name: str
    message: str


class Times(Record, frozen=True, kw_only=True):
    """Nanoseconds of the device's monotonic clock; `starts` belong to `measured`.

    A run that was cut off in its measured phase has those of the inferences before. `empty` are times of a
    call that does nothing, taken as those of inferences are: what the runner adds.
    """

    load: int
    init: int
    first: int
    warmup: tuple[int, ...] = ()
    measured: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()


class MemoryStage(Record, frozen=True, kw_only=True):
    """Bytes at the end of a stage (`start`, `loaded`, `initialized`, `first`, `done`).

    `rss` and `hwm` are VmRSS and VmHWM, None when the kernel hides them; `heap` is `mallinfo2()`'s
    `uordblks + hblkhd`; `pss` is that of /proc/self/smaps_rollup, read in the `memory` pass only.
    """

    stage: str
    rss: int | None
    hwm: int | None
    heap: int
    pss: int | None = None


class Sample(Record, frozen=True, array_like=True):
    """One reading: `start` and `end` in nanoseconds, and its text, or the error that came instead.

    `sensor` counts from 0 in the job's order. The text of several files is joined by newlines.
    """

    sensor: int
    start: int
    end: int
    text: str | None
    error: str | None = None


class Sampled(Record, frozen=True, kw_only=True):
    """What the sampling thread saw. Of a run that was cut off there are the samples only.

    Attributes:
        began, ended: when sampling did, nanoseconds.
        cpu_time: nanoseconds of CPU time that the thread and the commands that it ran took.
        idle: start and end of each phase without work.
        unanswered: sensor that was still being read when the run was over.
    """

    samples: tuple[Sample, ...]
    began: int = 0
    ended: int = 0
    cpu_time: int = 0
    idle: tuple[tuple[int, int], ...] = ()
    unanswered: int | None = None


class AppFacts(Record, frozen=True, kw_only=True):
    """What the Android app told of itself and the phone at one moment; None where Android does not tell.

    Attributes:
        time: nanoseconds of the device's monotonic clock.
        java_heap: bytes in use.
        battery: `current_now` in the phone's own unit and sign, and the last broadcast's `level`, `status`,
            `plugged`, `temperature` (tenths of a degree) and `voltage` (mV).
        thermal_status: 0 (none) to 6 (shutdown).
        thermal_changes: time and status of each change since the app began.
    """

    time: int
    sdk: int | None = None
    debuggable: bool | None = None
    java_heap: int | None = None
    battery: dict[str, int | None] = msgspec.field(default_factory=dict)
    thermal_status: int | None = None
    thermal_changes: tuple[tuple[int, int], ...] | None = None


class InApp(Record, frozen=True, kw_only=True):
    """What the app told before its pass and after it."""

    before: AppFacts | None = None
    after: AppFacts | None = None


class Result(Record, frozen=True, kw_only=True):
    """What the runner measured in one pass.

    Attributes:
        threads: size of the thread pool; None where the runtime does not tell.
        arenas: bytes of each planned buffer; None where the runtime does not tell.
        cached: share of the program file's pages that lay in the page cache before it was opened; None where
            the kernel does not tell.
        app: of the Android app only.
    """

    schema: int
    kind: Pass = msgspec.field(name="pass")
    status: Literal["ok", "failed"]
    error: RunnerFailure | None = None
    executorch: str
    threads: int | None = 0
    samples: int = 0
    arenas: tuple[int, ...] | None = ()
    times: Times | None = None
    warmup_stopped_by: Literal["count", "steady", "seconds"] | None = None
    stopped_by: Literal["agreement", "iterations", "seconds"] | None = None
    memory: tuple[MemoryStage, ...] = ()
    cached: float | None = None
    sampled: Sampled | None = None
    app: InApp | None = None


class TensorMeta(Record, frozen=True, kw_only=True):
    """A tensor of a method as the program describes it."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int


class MethodMeta(Record, frozen=True, kw_only=True):
    """A method as the program describes it; what `edgeq-runner --describe` prints, one for each method.

    `inputs` and `outputs` hold tensors only; a method with other kinds of input has `unsupported` set.
    """

    name: str
    inputs: tuple[TensorMeta, ...]
    outputs: tuple[TensorMeta, ...]
    arenas: tuple[int, ...]
    unsupported: str | None = None
