"""Which layers and kernels account for the change between two runs, from their traced inferences.

Layers are aligned by the user's module path; what has none, by the name and order of the kernels.
"""

import difflib
from collections.abc import Sequence

from edgeq.results.records import Delegation, Missing, Operator, Record, Run, Unit

# XNNPACK reports kernel times in whole microseconds; an instruction clock counts 1000 for one.
RESOLUTION: dict[Unit, float] = {"insn": 1000.0, "s": 1e-6}


class Part(Record, frozen=True, kw_only=True):
    """A layer or kernel in one run: its kernels in order, their precision, and the cost of one inference."""

    kernels: tuple[str, ...]
    precision: str
    delegated: bool
    total: float


class Blame(Record, frozen=True, kw_only=True):
    """One layer or kernel in both runs; None where it did not run.

    Attributes:
        name: the module path, or the kernel's name when the runtime does not tell the module.
        delta: how much dearer it is, in `unit`; negative when it is cheaper.
        notes: what changed about it besides its cost: `int8 -> fp32`, `left the delegate`, `new`, `gone`.
    """

    name: str
    module: str | None
    base: Part | None
    new: Part | None
    delta: float
    unit: Unit
    notes: tuple[str, ...]


def find_blame(base: Run, new: Run) -> tuple[Blame, ...] | Missing:
    """Every layer and kernel that differs, the largest change of cost first.

    Missing when a run was not traced, or the two were traced in different units.
    """
    rows = []
    for run, where in ((base, "the base"), (new, "the new run")):
        if isinstance(run.operators, Missing):
            return Missing(missing=f"{where} has no operators: {run.operators.missing}")
        if not run.operators:
            return Missing(missing=f"{where} was not traced")
        rows.append(run.operators)
    unit = rows[0][0].unit
    if rows[1][0].unit != unit:
        return Missing(missing=f"operators in {unit} and in {rows[1][0].unit}")
    found = [_describe(*pair, unit) for pair in _align(*rows)]
    changed = [blame for blame in found if blame.delta or blame.notes]
    return tuple(sorted(changed, key=lambda blame: (-abs(blame.delta), blame.name)))


def describe_delegation(base: Delegation | None, new: Delegation | None) -> tuple[str, ...]:
    """Operators that the delegate does not take any more, and ones that it takes now, in words."""
    if base is None or new is None:
        return ()
    before = {left.op: left for left in base.left_out}
    now = {left.op: left for left in new.left_out}
    more = [
        f"left out of the delegate now: {left.count} x {op} ({left.reason})"
        for op, left in now.items()
        if op not in before or left.count > before[op].count
    ]
    fewer = [
        f"delegated now: {op}" for op, left in before.items() if op not in now or now[op].count < left.count
    ]
    return (*more, *fewer)


_Group = tuple[Operator, ...]


def _align(base: Sequence[Operator], new: Sequence[Operator]) -> list[tuple[_Group, _Group]]:
    """Groups of rows that stand for the same thing; an empty group where one run has nothing of it."""
    shared = {row.module for row in base if row.module} & {row.module for row in new if row.module}
    pairs: list[tuple[_Group, _Group]] = [
        (_rows_of(module, base), _rows_of(module, new))
        for module in dict.fromkeys(row.module for row in base if row.module in shared)
    ]
    rest = [[row for row in rows if row.module not in shared] for rows in (base, new)]
    before, now = ([_key(row) for row in rows] for rows in rest)
    for _, b0, b1, n0, n1 in difflib.SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if before[b0:b1] == now[n0:n1]:
            pairs += [((b,), (n,)) for b, n in zip(rest[0][b0:b1], rest[1][n0:n1], strict=True)]
        else:
            pairs += [((row,), ()) for row in rest[0][b0:b1]]
            pairs += [((), (row,)) for row in rest[1][n0:n1]]
    return pairs


def _rows_of(module: str | None, rows: Sequence[Operator]) -> _Group:
    return tuple(row for row in rows if row.module == module)


def _key(row: Operator) -> str:
    """What stays the same of a kernel when its precision changes: `Convolution`, `Fully Connected`."""
    return row.name.removesuffix(".out")


def _describe(base: _Group, new: _Group, unit: Unit) -> Blame:
    either = (base or new)[0]
    before, now = _sum_up(base), _sum_up(new)
    return Blame(
        name=either.module or either.kernel,
        module=either.module,
        base=before,
        new=now,
        delta=(now.total if now else 0.0) - (before.total if before else 0.0),
        unit=unit,
        notes=_notes(before, now),
    )


def _sum_up(group: _Group) -> Part | None:
    if not group:
        return None
    return Part(
        kernels=tuple(row.kernel for row in group),
        precision=" + ".join(dict.fromkeys(row.precision for row in group)),
        delegated=all(row.delegated for row in group),
        total=sum(row.total for row in group),
    )


def _notes(before: Part | None, now: Part | None) -> tuple[str, ...]:
    if before is None or now is None:
        return ("new",) if before is None else ("gone",)
    notes = []
    if before.precision != now.precision:
        notes.append(f"{before.precision} -> {now.precision}")
    if before.delegated != now.delegated:
        notes.append("delegated now" if now.delegated else "left the delegate")
    return tuple(notes)
