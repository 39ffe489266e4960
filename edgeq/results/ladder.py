"""The accuracy ladder read rung by rung: each beside the eager model, with what was lost on the way there."""

from collections.abc import Iterator, Sequence

from edgeq.results.drop import Drop, Loss, find_lost
from edgeq.results.records import Accuracy, Closeness, Metrics, Record
from edgeq.results.share import bound_share

_UNKNOWN = "the edgeq that made it did not compare them"


class Step(Record, frozen=True, kw_only=True):
    """One rung of one program.

    Attributes:
        program: name and recipe, or what stands for them.
        rung: `eager`, `converted`, `host` or `device`.
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


def read_ladder(program: str, accuracy: Accuracy) -> tuple[Step, ...]:
    """The rungs that lie on this machine."""
    eager = Step(program=program, rung="eager", metrics=accuracy.eager, lost={})
    return (eager, *(read_step(program, accuracy, rung) for rung in ("converted", "host")))


def read_step(program: str, accuracy: Accuracy, rung: str, place: str = "") -> Step:
    """One rung beside the eager model."""
    metrics: Metrics = getattr(accuracy, rung)
    closeness = accuracy.agreement.get(rung, Closeness(missing=str(metrics.get("missing", _UNKNOWN))))
    return place_beside(accuracy.eager, metrics, closeness, program=program, rung=rung, place=place)


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


def judge_ladder(steps: Sequence[Step], drop: Drop) -> Iterator[tuple[Step, Loss | str]]:
    """Every metric of the eager model on every other rung: its loss, or in words why there is none.

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
                yield step, drop.judge(metric, reference, now[metric])
            else:
                yield (
                    step,
                    f"{metric} is missing: {step.metrics.get('missing', 'evaluate() did not give it')}",
                )
