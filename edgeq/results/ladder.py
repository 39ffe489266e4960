"""The accuracy ladder read rung by rung: each beside the eager model, with what was lost on the way there."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from edgeq.results.drop import Drop, Loss, find_better, find_lost
from edgeq.results.records import Accuracy, Closeness, Metrics, Record, Run
from edgeq.results.share import bound_share
from edgeq.results.verdict import Better

SCHEMA = 1

_RUNGS = {
    "eager": "eager model",
    "converted": "converted model",
    "host": ".pte on the host",
    "device": ".pte on the device",
}
_UNKNOWN = "the edgeq that made it did not compare them"


class Step(Record, frozen=True, kw_only=True):
    """One rung of one program.

    Attributes:
        program: name and recipe, or what stands for them.
        rung: `eager`, `converted`, `host` or `device`; empty for a reference, which is on no ladder.
        place: the device of the rung `device`; empty on this machine.
        metrics: by name, or why there are none.
        lost: by metric, how much worse it is than the eager model's, in its own unit; negative when better.
        closeness: its outputs beside the eager model's; None for the eager model itself.
        interval: of the top-1 agreement, 95 %; None where there is none.
    """

    program: str
    rung: str
    place: str = ""
    metrics: Metrics
    lost: dict[str, float]
    closeness: Closeness | None = None
    interval: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """The rung in words, with the device where it is one."""
        return f".pte on {self.place}" if self.place else _RUNGS.get(self.rung, self.rung)


class Judged(Record, frozen=True, kw_only=True):
    """One metric on one rung under a gate: what was lost, or why nobody knows.

    `better` is which side of the metric was taken for the better one, by its name.
    """

    program: str
    rung: str
    metric: str
    better: Better
    loss: Loss | None = None
    missing: str | None = None

    def describe(self, drop: str) -> str:
        """In words, for the one whom the gate stopped; `drop` as it was asked for."""
        where = f"{self.program}, {self.rung}: {self.metric}"
        if self.loss is None:
            return f"{where} is missing: {self.missing}"
        loss = self.loss
        return (
            f"{where} lost {loss.lost:.4g} ({loss.reference:.4g} to {loss.value:.4g}); "
            f"{loss.allowed:.4g} is allowed ({drop})"
        )


class Reference(Record, frozen=True, kw_only=True):
    """Another way to run the model on this host: what it answers, and `times` of inferences in seconds."""

    step: Step
    times: tuple[float, ...]


class AccuracyReport(Record, frozen=True, kw_only=True):
    """All that `edgeq accuracy` found; `drop` is None without a gate."""

    schema: int = SCHEMA
    name: str
    steps: tuple[Step, ...]
    drop: str | None = None
    judged: tuple[Judged, ...] = ()
    references: tuple[Reference, ...] = ()


def read_ladder(program: str, accuracy: Accuracy) -> tuple[Step, ...]:
    """The rungs that lie on this machine."""
    eager = Step(program=program, rung="eager", metrics=accuracy.eager, lost={})
    return (eager, *(read_step(program, accuracy, rung) for rung in ("converted", "host")))


def read_step(program: str, accuracy: Accuracy, rung: str, place: str = "") -> Step:
    """One rung beside the eager model."""
    metrics: Metrics = getattr(accuracy, rung)
    closeness = accuracy.agreement.get(rung, Closeness(missing=str(metrics.get("missing", _UNKNOWN))))
    return place_beside(accuracy.eager, metrics, closeness, program=program, rung=rung, place=place)


def read_device_step(program: str, run: Run) -> Step:
    """The rung that `run` climbed; why it did not, when it failed."""
    accuracy = run.artifact.accuracy
    if run.error is not None and "device" not in accuracy.agreement:
        accuracy = replace(accuracy, device={"missing": f"the run failed: {run.error.message}"})
    device = run.device
    emulated = " (emulated)" if device is not None and device.kind == "emulated" else ""
    place = "a device that was not reached" if device is None else f"{device.profile}{emulated}"
    return read_step(program, accuracy, "device", place)


def place_beside(
    eager: Metrics, metrics: Metrics, closeness: Closeness, *, program: str, rung: str, place: str = ""
) -> Step:
    """`metrics` and `closeness` as a rung beside the eager model's metrics."""
    before, now = list_scores(eager), list_scores(metrics)
    share, samples = closeness.top1_agreement, closeness.samples
    return Step(
        program=program,
        rung=rung,
        place=place,
        metrics=metrics,
        lost={name: find_lost(name, before[name], now[name]) for name in before if name in now},
        closeness=closeness,
        interval=bound_share(share, samples) if share is not None and samples else None,
    )


def list_scores(metrics: Metrics) -> dict[str, float]:
    """The numbers of one rung."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def judge_ladder(steps: Sequence[Step], drop: Drop) -> Iterator[Judged]:
    """Every metric of the eager model on every other rung: its loss, or why there is none.

    Raises:
        InputError: the drop is as large as a metric.
    """
    eager = {step.program: list_scores(step.metrics) for step in steps if step.rung == "eager"}
    for step in steps:
        if step.rung == "eager":
            continue
        now = list_scores(step.metrics)
        for metric, reference in eager[step.program].items():
            if metric in now:
                loss, missing = drop.judge(metric, reference, now[metric]), None
            else:
                loss, missing = None, str(step.metrics.get("missing", "evaluate() did not give it"))
            yield Judged(
                program=step.program,
                rung=step.name,
                metric=metric,
                better=find_better(metric),
                loss=loss,
                missing=missing,
            )
