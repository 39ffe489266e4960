"""One quantity of one artifact on one device over time, with the change points found in it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeq.errors import InputError
from edgeq.results.changes import ALPHA, LEAST_SHIFT, LEAST_SIDE, Cut, find_shifts, find_steps
from edgeq.results.likeness import VERSIONS, find_differences
from edgeq.results.limits import find_gate
from edgeq.results.pairing import read_quantities
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
        where: the rung of an accuracy, the sensor and kind (net or gross) of an energy; else empty.
        method: how changes were looked for, in words.
        points: one for each run that has the quantity under the conditions of the newest one.
        changes: where a new level begins.
        left_out: how many runs were left out, by reason.
    """

    artifact: str
    recipe: str
    device: str
    quantity: str
    where: str = ""
    unit: Unit
    method: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]
    left_out: dict[str, int]


def trace_history(
    runs: Sequence[Run],
    quantity: str,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    *,
    sensor: str = "",
) -> History:
    """Follow `quantity` through `runs`: one artifact name, recipe and device, oldest first.

    Quantities have the names of `edgeq compare`; `top1` is short for `accuracy.top1`. Runs that failed, are
    not valid, lack the quantity, have it at another rung of the accuracy ladder or by another sensor, or ran
    under conditions unlike those of the newest usable one (an update of its system apart) are left out and
    counted. Of several energies the first of the newest run is followed, or the one of `sensor`: its `where`.
    `labels` are those of the store, by run id.

    Raises:
        InputError: no run has the quantity, or none by `sensor`; what they have is listed.
    """
    left_out: Counter[str] = Counter()
    name = _resolve(runs, quantity)
    if sensor and name != "energy":
        raise InputError(f"{name} is by no sensor: --sensor is for energy")
    usable = _list_usable(runs, name, sensor, left_out)
    newest = usable[-1][0]
    alike = []
    for found in usable:
        one = next((each for each in found if each.where == newest.where), found[0])
        if difference := _differences(one, newest):
            left_out[difference] += 1
        else:
            alike.append(one)
    cuts, method = _look([each.measured.typical for each in alike], name, newest.measured)
    return History(
        artifact=newest.run.artifact.name,
        recipe=newest.run.artifact.recipe,
        device=newest.run.device.profile if newest.run.device else "",
        quantity=name,
        where=newest.where,
        unit=newest.measured.unit,
        method=method,
        points=tuple(_point(each.run, each.measured, labels or {}) for each in alike),
        changes=tuple(_change(cut, alike[cut.index].run) for cut in cuts),
        left_out=dict(left_out),
    )


@dataclass(frozen=True)
class _Found:
    """A quantity in a run, and at which rung or by which sensor."""

    run: Run
    where: str
    measured: Measured


def _list_usable(runs: Sequence[Run], name: str, sensor: str, left_out: Counter[str]) -> list[list[_Found]]:
    """The quantity in each run that has it, by `sensor` if that is given; the others are counted."""
    usable: list[list[_Found]] = []
    sensors: dict[str, None] = {}
    for run in runs:
        found = _find(run, name)
        sensors |= dict.fromkeys(each.where for each in found)
        found = [each for each in found if sensor in ("", each.where)]
        if why := _why_unusable(run, f"{name} of {sensor}" if sensor else name, found):
            left_out[why] += 1
        else:
            usable.append(found)
    if not usable:
        hint = f"energies are of: {'; '.join(sensors)}" if sensor and sensors else None
        raise InputError(f"none of {len(runs)} runs can be used: {_count(left_out)}", hint=hint)
    return usable


def _find(run: Run, name: str) -> list[_Found]:
    """The quantity in `run`: several are energies by several sensors."""
    return [
        _Found(run, two.where, two.base)
        for two in read_quantities(run, run)
        if two.quantity == name and not isinstance(two.base, Missing)
    ]


def _why_unusable(run: Run, name: str, found: Sequence[_Found]) -> str:
    if run.status != "ok":
        return "the run failed"
    if run.invalid:
        return "the run is not valid"
    return "" if found else f"no {name} was measured"


def _resolve(runs: Sequence[Run], quantity: str) -> str:
    names = dict.fromkeys(two.quantity for run in runs for two in read_quantities(run, run))
    for name in (quantity, f"accuracy.{quantity}"):
        if name in names:
            return name
    raise InputError(f"no run has a quantity {quantity!r}", hint=f"there are: {', '.join(names)}")


def _count(left_out: Mapping[str, int]) -> str:
    return "; ".join(f"{count} x {reason}" for reason, count in left_out.items())


def _differences(one: _Found, newest: _Found) -> str:
    """What differs from the newest run, in words; empty when they are alike."""
    facts = [
        *(
            (each.name, each.base, each.new)
            for each in find_differences(one.run, newest.run)
            if each.name not in VERSIONS
        ),
        ("unit", one.measured.unit, newest.measured.unit),
        ("measured at", one.where, newest.where),
    ]
    return "; ".join(f"{name} {before}, newest has {now}" for name, before, now in facts if before != now)


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
