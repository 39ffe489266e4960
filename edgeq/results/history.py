"""One quantity of one artifact on one device over time, with the change points found in it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from edgeq.errors import InputError
from edgeq.results.changes import ALPHA, LEAST_SHIFT, LEAST_SIDE, Cut, find_shifts, find_steps
from edgeq.results.limits import find_gate
from edgeq.results.pairing import Two, read_quantities
from edgeq.results.records import Missing, Record, Run, Unit
from edgeq.results.verdict import Measured


class Point(Record, frozen=True, kw_only=True):
    """The quantity in one run; `sha256` is the program's."""

    run: str
    created: str
    value: float
    sha256: str
    labels: dict[str, str]


class Change(Record, frozen=True, kw_only=True):
    """A new level begins with `run`, the point at `index`; `ratio` is after / before, None from zero.

    `p` is the share of random orders that look at least as changed, None when values repeat exactly.
    """

    index: int
    run: str
    before: float
    after: float
    ratio: float | None
    p: float | None


class History(Record, frozen=True, kw_only=True):
    """A quantity over time, oldest first.

    Attributes:
        method: how changes were looked for, in words.
        points: one for each run that has the quantity under the conditions of the newest one.
        changes: where a new level begins.
        left_out: how many runs were left out, by reason.
    """

    artifact: str
    recipe: str
    device: str
    quantity: str
    unit: Unit
    method: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]
    left_out: dict[str, int]


def trace_history(
    runs: Sequence[Run], quantity: str, labels: Mapping[str, Mapping[str, str]] | None = None
) -> History:
    """Follow `quantity` through `runs`: one artifact name, recipe and device, oldest first.

    Quantities have the names of `edgeq compare`; `top1` is short for `accuracy.top1`. Runs that failed, lack
    the quantity, or ran with another clock, threads, cores, or rung of the accuracy ladder than the newest
    usable one are left out and counted. `labels` are those of the store, by run id.

    Raises:
        InputError: no run has the quantity; what they have is listed.
    """
    left_out: Counter[str] = Counter()
    usable: list[tuple[Run, Two, Measured]] = []
    name = _resolve(runs, quantity)
    for run in runs:
        two = _read(run).get(name)
        if run.status != "ok":
            left_out["the run failed"] += 1
        elif two is None or isinstance(two.base, Missing):
            left_out[f"no {name} was measured"] += 1
        else:
            usable.append((run, two, two.base))
    if not usable:
        raise InputError(f"none of {len(runs)} runs can be used: {_count(left_out)}")
    newest = usable[-1]
    alike = []
    for each in usable:
        if difference := _differences(each, newest):
            left_out[difference] += 1
        else:
            alike.append(each)
    cuts, method = _look([measured.typical for _, _, measured in alike], name, newest[2])
    newest_run = newest[0]
    return History(
        artifact=newest_run.artifact.name,
        recipe=newest_run.artifact.recipe,
        device=newest_run.device.profile if newest_run.device else "",
        quantity=name,
        unit=newest[2].unit,
        method=method,
        points=tuple(_point(run, measured, labels or {}) for run, _, measured in alike),
        changes=tuple(_change(cut, alike[cut.index][0]) for cut in cuts),
        left_out=dict(left_out),
    )


def _read(run: Run) -> dict[str, Two]:
    return {two.quantity: two for two in read_quantities(run, run)}


def _resolve(runs: Sequence[Run], quantity: str) -> str:
    names = dict.fromkeys(name for run in runs for name in _read(run))
    for name in (quantity, f"accuracy.{quantity}"):
        if name in names:
            return name
    raise InputError(f"no run has a quantity {quantity!r}", hint=f"there are: {', '.join(names)}")


def _count(left_out: Mapping[str, int]) -> str:
    return "; ".join(f"{count} x {reason}" for reason, count in left_out.items())


def _differences(one: tuple[Run, Two, Measured], newest: tuple[Run, Two, Measured]) -> str:
    """What differs from the newest run, in words; empty when they are alike."""
    facts = (
        ("unit", one[2].unit, newest[2].unit),
        ("clock", one[0].device and one[0].device.clock, newest[0].device and newest[0].device.clock),
        ("threads", one[0].spec.threads, newest[0].spec.threads),
        ("cpus", one[0].spec.cpus, newest[0].spec.cpus),
        ("accuracy rung", one[1].where, newest[1].where),
    )
    return "; ".join(f"{name} {old}, newest has {new}" for name, old, new in facts if old != new)


def _look(values: Sequence[float], quantity: str, newest: Measured) -> tuple[list[Cut], str]:
    """The cuts, and in words how they were found."""
    if newest.exact:
        repeats = find_gate(quantity).repeats
        told = f"a step of more than {repeats:.1%} from the level before" if repeats else "any difference"
        return find_steps(values, repeats), f"repeatable quantity: a change is {told}"
    method = (
        f"noisy quantity: rank test over random orders, {ALPHA:.0%} false alarms among independent runs "
        f"without a change, more when runs drift together; levels of at least {LEAST_SIDE} runs that differ "
        f"by at least {LEAST_SHIFT:.0%}"
    )
    if len(values) < 2 * LEAST_SIDE:
        method += f"; {len(values)} runs are too few to tell, {2 * LEAST_SIDE} are needed"
    return find_shifts(values), method


def _point(run: Run, measured: Measured, labels: Mapping[str, Mapping[str, str]]) -> Point:
    return Point(
        run=run.id,
        created=run.created,
        value=measured.typical,
        sha256=run.artifact.sha256,
        labels=dict(labels.get(run.id, {})),
    )


def _change(cut: Cut, run: Run) -> Change:
    return Change(
        index=cut.index,
        run=run.id,
        before=cut.before,
        after=cut.after,
        ratio=cut.after / cut.before if cut.before else None,
        p=cut.p,
    )
