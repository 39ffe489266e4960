"""The quantities of two runs that stand for the same artifact, read from both in the same way.

An accuracy is taken at the last rung of the ladder that both runs reached: the device's if both have it,
never the device's of one beside the host's of the other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeq.results.drop import find_better
from edgeq.results.limits import GATES
from edgeq.results.records import Metrics, Missing, Run
from edgeq.results.verdict import Better, Measured

RUNGS = ("device", "host", "converted", "eager")


@dataclass(frozen=True)
class Two:
    """One quantity of both runs; `where` says at which rung an accuracy was taken."""

    quantity: str
    base: Measured | Missing
    new: Measured | Missing
    better: Better = "lower"
    where: str = ""


def read_quantities(base: Run, new: Run) -> Iterator[Two]:
    """Every quantity that at least one of the two runs measured, in the order of the table `GATES`."""
    for name in GATES:
        if name == "accuracy":
            yield from _read_accuracies(base, new)
            continue
        two = Two(name, _READERS[name](base), _READERS[name](new))
        if not (isinstance(two.base, Missing) and isinstance(two.new, Missing)):
            yield two


def _series(name: str) -> Callable[[Run], Measured | Missing]:
    def read(run: Run) -> Measured | Missing:
        series = run.find_series(name)
        if series is None or not series.values:
            return Missing(missing=run.not_measured.get(name, f"the run has no {name} series"))
        return Measured(values=series.values, unit=series.unit, exact=series.unit == "insn")

    return read


def _memory(name: str) -> Callable[[Run], Measured | Missing]:
    def read(run: Run) -> Measured | Missing:
        if run.memory is None:
            return Missing(missing="the run measured no memory")
        value: int | Missing = getattr(run.memory, name)
        return value if isinstance(value, Missing) else Measured(values=(value,), unit="B", exact=True)

    return read


def _size(run: Run) -> Measured:
    return Measured(values=(run.artifact.bytes,), unit="B", exact=True)


def _outside(run: Run) -> Measured | Missing:
    delegation = run.artifact.delegation
    if delegation is None:
        return Missing(missing="the program was made elsewhere")
    return Measured(values=(delegation.total - delegation.delegated,), unit="1", exact=True)


_READERS: dict[str, Callable[[Run], Measured | Missing]] = {
    **{name: _series(name) for name in ("latency", "first", "load", "init", "energy")},
    **{name: _memory(name) for name in ("arena", "heap_loaded", "heap_peak", "rss_peak")},
    "size": _size,
    "delegation": _outside,
}


def _read_accuracies(base: Run, new: Run) -> Iterator[Two]:
    metrics = dict.fromkeys(name for run in (base, new) for rung in RUNGS for name in _scores(run, rung))
    for metric in metrics:
        rung = next((r for r in RUNGS if all(metric in _scores(run, r) for run in (base, new))), None)
        before = _score(base, rung or _last_rung(base, metric), metric)
        now = _score(new, rung, metric)
        yield Two(f"accuracy.{metric}", before, now, find_better(metric), where=rung or "")


def _last_rung(run: Run, metric: str) -> str | None:
    return next((rung for rung in RUNGS if metric in _scores(run, rung)), None)


def _score(run: Run, rung: str | None, metric: str) -> Measured | Missing:
    if rung is None:
        return Missing(missing=f"no {metric} at a rung where the other run has it")
    return Measured(values=(_scores(run, rung)[metric],), unit="1", exact=True)


def _scores(run: Run, rung: str) -> dict[str, float]:
    metrics: Metrics = getattr(run.artifact.accuracy, rung)
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
