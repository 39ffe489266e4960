"""The Run document: one artifact measured on one device, immutable and versioned.

Raw values are kept with their units; statistics are computed from them (`edgeq.results.stats`), never
stored. What was not measured is `{"missing": reason}`, never 0. `report.json` is a `Report`.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

SCHEMA = 1

Unit = Literal["s", "insn", "B", "W", "J", "degC", "Hz", "1"]

# What a device's monotonic clock counts: nanoseconds, instructions, or nothing that means something.
Clock = Literal["wall", "instructions", "none"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every document part: immutable. msgspec does not inherit `kw_only`, so each part says it."""


class Missing(Record, frozen=True, kw_only=True):
    """A quantity that was not measured, and why."""

    missing: str


class Reading(Record, omit_defaults=True, frozen=True, kw_only=True):
    """One condition of the device: a value with its unit, or the reason why there is none.

    Attributes:
        value: number or text; None when missing.
        unit: unit of a number; None for text.
        missing: the reason, when there is no value.
    """

    value: float | int | str | None = None
    unit: Unit | None = None
    missing: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.missing is None):
            raise ValueError("a reading is either a value or a reason why it is missing")


# One rung of the accuracy ladder: {metric: value}, or {"missing": reason}.
Metrics = dict[str, float | str]


class LeftOut(Record, omit_defaults=True, frozen=True, kw_only=True):
    """Operators of one kind in the user's `modules` that the delegate did not take, why, and the remedy."""

    op: str
    count: int
    reason: str
    remedy: str = ""
    modules: tuple[str, ...] = ()


class Delegation(Record, frozen=True, kw_only=True):
    """How much runs in the delegate: call nodes, and multiply-accumulates (None by an older edgeq)."""

    delegated: int
    total: int
    left_out: tuple[LeftOut, ...] = ()
    macs: tuple[int, int] | None = None  # delegated and in total


class Closeness(Record, omit_defaults=True, frozen=True, kw_only=True):
    """Outputs against the eager model's, over the same inputs; or `missing`, why they were not compared.

    Attributes:
        samples: how many inputs.
        source: where they come from: `evaluate`, `calibration`, or `reference`, the samples in the artifact.
        sqnr_db: of the worst output; None when all outputs are equal to the last bit.
        top1_agreement: share of inputs with the same class; None for outputs that are not classes.
    """

    samples: int | None = None
    source: str | None = None
    sqnr_db: float | None = None
    max_abs_error: float | None = None
    top1_agreement: float | None = None
    missing: str | None = None


class Accuracy(Record, omit_defaults=True, frozen=True, kw_only=True):
    """The accuracy ladder: eager model, converted model, `.pte` on the host, `.pte` on the device.

    Attributes:
        samples: how many inputs `evaluate` asked about; None when that was not counted.
        agreement: by rung, its outputs beside the eager model's.
    """

    eager: Metrics
    converted: Metrics
    host: Metrics
    device: Metrics
    samples: int | None = None
    agreement: dict[str, Closeness] = {}


class ArtifactInfo(Record, frozen=True, kw_only=True):
    """What was run. `executorch` and `torch` are versions, None when the program was made elsewhere."""

    name: str
    recipe: str
    sha256: str
    bytes: int
    executorch: str | None
    torch: str | None
    delegation: Delegation | None
    accuracy: Accuracy


class DeviceInfo(Record, frozen=True, kw_only=True):
    """What it ran on. Holds no host name, user or key."""

    profile: str
    kind: Literal["hardware", "emulated"]
    clock: Clock
    arch: str
    cpu: str
    features: tuple[str, ...]
    model: str
    os: str
    kernel: str
    libc: str


class Agreement(Record, frozen=True, kw_only=True):
    """Stop once the last `window` values lie within the relative `spread` (max - min over median)."""

    window: int
    spread: float


class Steadiness(Record, frozen=True, kw_only=True):
    """Warm once the medians of the last two windows of `window` values differ by `spread` of one at most."""

    window: int
    spread: float


class Spec(Record, frozen=True, kw_only=True):
    """How it was run.

    Attributes:
        warmup: least inferences of the warm-up.
        warmup_seconds: bounds of the warm-up on the device's own clock: (least, most).
        steady: rule that ends the warm-up, or None for the least inferences and seconds.
        seconds: bounds of the measured phase on the device's own clock: (least, most).
        agreement: rule that ends the measured phase early, or None.
        rate: requests per second, or None for one inference after the other.
        pause: seconds between two inferences.
        timeout: how long one pass may take, in seconds.
        in_app: whether it ran inside of an Android app, by ExecuTorch's Java library, and not as a program.
    """

    threads: int
    cpus: tuple[int, ...]
    warmup: int
    iterations: tuple[int, int]
    seconds: tuple[float, float]
    agreement: Agreement | None
    passes: tuple[str, ...]
    timeout: int = 600
    warmup_seconds: tuple[float, float] = (0.0, 60.0)
    steady: Steadiness | None = None
    rate: float | None = None
    pause: float = 0.0
    in_app: bool = False


class Conditions(Record, frozen=True, kw_only=True):
    """Readings of the device, by name, before and after the measured passes."""

    before: dict[str, Reading] = {}
    after: dict[str, Reading] = {}


class Series(Record, frozen=True, kw_only=True):
    """Raw values in the order in which they were taken; `times` are starts on the device's clock."""

    name: str
    unit: Unit
    phase: Literal["warmup", "measured", "sampled"]
    values: tuple[float, ...]
    times: tuple[float, ...] | None = None
    source: str


_UNREAD = Missing(missing="the runner of this run did not read it")
_ONLY_ASKED = Missing(missing="only the memory pass reads it (`--measure memory`)")


class Memory(Record, frozen=True, kw_only=True):
    """Memory in bytes by part: of the memory pass where there was one, else of the latency pass.

    Attributes:
        program: size of the `.pte` file.
        arena: planned buffers of the method, summed.
        heap_start: heap in use before the program was opened.
        heap_loaded: heap in use after the method was loaded (packed weights and workspace among it).
        heap_peak: most heap in use that was seen at a stage boundary.
        rss_start: VmRSS of the runner before it opened the program: its own code and ExecuTorch's libraries.
        rss_peak: VmHWM of the runner at the end of the pass.
        pss_peak: most proportional set size that was seen at a stage boundary: pages that other processes
            have too (libraries, a program that several run) count by their share.
    """

    program: int | Missing
    arena: int | Missing
    heap_loaded: int | Missing
    heap_peak: int | Missing
    rss_start: int | Missing
    rss_peak: int | Missing
    heap_start: int | Missing = _UNREAD
    pss_peak: int | Missing = _ONLY_ASKED


class Operator(Record, omit_defaults=True, frozen=True, kw_only=True):
    """One operator or kernel, over `count` calls in one inference; `total` in `unit`.

    `module` is the user's module path, empty for the root; None when it is not known, for the reason in
    `unassigned`. `shape` is that of the output, where the module is known.
    """

    name: str
    kernel: str
    module: str | None
    delegated: bool
    precision: str
    count: int
    total: float
    unit: Unit
    shape: tuple[int, ...] | None = None
    unassigned: str = ""


class OutputCheck(Record, omit_defaults=True, frozen=True, kw_only=True):
    """The device's outputs against the artifact's reference, over every sample and output.

    `sqnr_db` is None when the outputs are equal to the last bit (the ratio is infinite) or not numeric;
    `top1_agreement` is None for outputs that are not classes. `within` is the verdict of `bound`.
    """

    within: bool | None = None
    max_abs_error: float | None = None
    sqnr_db: float | None = None
    top1_agreement: float | None = None
    samples: int | None = None
    bound: str | None = None
    missing: str | None = None


class RunWarning(Record, frozen=True, kw_only=True):
    """Something a reader of the numbers must know; rendered in one place."""

    code: str
    message: str
    facts: dict[str, str | int | float] = {}


class Failure(Record, frozen=True, kw_only=True):
    """Why a run failed, and where."""

    stage: str
    kind: str
    message: str
    hint: str | None = None


class Pairing(Record, frozen=True, kw_only=True):
    """What a run shares with others that were measured in turn with it, in rounds of random order.

    Attributes:
        id: the same for all runs of the pairing.
        seed: of the order in the rounds.
        place: of this run among the others: 0 is the base.
        rounds: index in the measured `latency` of the first value of each round.
    """

    id: str
    seed: int
    place: int
    rounds: tuple[int, ...]


class Run(Record, frozen=True, kw_only=True):
    """One artifact on one device: conditions, raw series, memory, operators, output check.

    Attributes:
        not_measured: why there is no Series of a name that a reader may look for, by that name.
        invalid: why its numbers are not to be trusted: what of the device's limits was not kept.
    """

    schema: int = SCHEMA
    id: str
    created: str
    status: Literal["ok", "failed"]
    error: Failure | None = None
    invalid: tuple[str, ...] = ()
    artifact: ArtifactInfo
    device: DeviceInfo | None
    spec: Spec
    conditions: Conditions = Conditions()
    series: tuple[Series, ...] = ()
    not_measured: dict[str, str] = {}
    memory: Memory | None = None
    operators: tuple[Operator, ...] | Missing = ()
    outputs: OutputCheck | None = None
    warnings: tuple[RunWarning, ...] = ()
    pairing: Pairing | None = None

    @property
    def standing(self) -> Literal["ok", "invalid", "failed"]:
        """What to think of its numbers at a glance."""
        return "failed" if self.status == "failed" else "invalid" if self.invalid else "ok"

    def find_series(self, name: str, phase: str = "measured") -> Series | None:
        """The series called `name` of that phase, or None."""
        return next((s for s in self.series if s.name == name and s.phase == phase), None)


class Report(Record, frozen=True, kw_only=True):
    """What `--json` and `report.json` hold."""

    schema: int = SCHEMA
    runs: tuple[Run, ...]


def encode_report(runs: Sequence[Run]) -> bytes:
    """The report document of `runs` as indented UTF-8 JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(Report(runs=tuple(runs))), indent=2) + b"\n"


def decode_report(data: bytes) -> Report:
    """Read a report document.

    Raises:
        msgspec.ValidationError: not a report, with the path of the wrong field.
    """
    return msgspec.json.decode(data, type=Report)
