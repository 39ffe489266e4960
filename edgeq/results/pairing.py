"""The quantities of two runs that stand for the same artifact, read from both in the same way.

An accuracy is taken at the last rung of the ladder that both runs reached: the device's if both have it,
never the device's of one beside the host's of the other. An energy has a partner of the same sensor, site and
kind (net or gross), or none.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from edgeq.results.drop import find_better
from edgeq.results.limits import GATES
from edgeq.results.origin import read_origin
from edgeq.results.records import Metrics, Missing, Run, Series
from edgeq.results.verdict import Better, Measured

_UNTOLD = "does not tell its sensor and whether it is net"
RUNGS = ("device", "host", "converted", "eager")


@dataclass(frozen=True)
class Two:
    """One quantity of both runs; `where` is the rung of an accuracy, the sensor and kind of an energy."""

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
        if name == "energy":
            yield from _read_energies(base, new)
            continue
        two = Two(name, _READERS[name](base), _READERS[name](new))
        if not (isinstance(two.base, Missing) and isinstance(two.new, Missing)):
            yield two


def _series(name: str) -> Callable[[Run], Measured | Missing]:
    def read(run: Run) -> Measured | Missing:
        series = run.find_series(name)
        if series is None or not series.values:
            return Missing(missing=run.not_measured.get(name, f"the run has no {name} series"))
        return _measured(series)

    return read


def _measured(series: Series) -> Measured:
    return Measured(values=series.values, unit=series.unit, exact=series.unit == "insn")


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
    **{name: _series(name) for name in ("latency", "first", "load", "init")},
    **{name: _memory(name) for name in ("arena", "heap_loaded", "heap_peak", "rss_peak")},
    "size": _size,
    "delegation": _outside,
}


def _read_energies(base: Run, new: Run) -> Iterator[Two]:
    before, now = _energies(base), _energies(new)
    for where in dict.fromkeys([*before, *now]):
        one = before.get(where) or _lacking(base, before, where)
        # What tells no origin is no partner of anything, not even of another that tells none.
        other = now.get(where) if where else None
        yield Two("energy", one, other or _lacking(new, now, where), where=where)


def _energies(run: Run) -> dict[str, Measured]:
    """The energies of a run by their origin, empty for one whose source does not tell it."""
    found: dict[str, Measured] = {}
    for series in run.series:
        if series.name == "energy" and series.phase == "measured" and series.values:
            found.setdefault(str(read_origin(series.source) or ""), _measured(series))
    return found


def _lacking(run: Run, has: Collection[str], where: str) -> Missing:
    if not has:
        return Missing(missing=run.not_measured.get("energy", "the run has no energy series"))
    if not where:
        return Missing(missing=f"the energy of the other run {_UNTOLD}; write an older baseline anew")
    others = ", ".join(f"of {each}" if each else f"one that {_UNTOLD}" for each in has)
    return Missing(
        missing=f"the run has no energy of {where}, but {others}; those of different sensors, sites or kinds "
        "are not compared"
    )


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
