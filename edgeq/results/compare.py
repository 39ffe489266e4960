"""Compares the runs of two reports: matches them, refuses unlike conditions, judges every quantity.

A run is compared with the one of the same artifact name, recipe and device profile, or with the one that it
was measured with in one pairing.
"""

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec.structs import replace

from edgeq.errors import InputError
from edgeq.results.blame import Blame, describe_delegation, find_blame
from edgeq.results.likeness import Difference, check_allowed, find_changes, find_differences
from edgeq.results.limits import Limit, Limits, find_gate
from edgeq.results.paired import PairedVerdict, are_paired, compare_paired, judge_against
from edgeq.results.pairing import Two, read_quantities
from edgeq.results.records import Clock, Missing, Record, Run, Unit
from edgeq.results.verdict import Better, Change, Outcome, Verdict, judge

SCHEMA = 1

# Worst first: what a comparison as a whole is, when one of its parts is.
ORDER: tuple[Outcome, ...] = ("regressed", "undecided", "passed", "not judged")


class Key(Record, frozen=True, kw_only=True):
    """What makes runs comparable; `profile` is None when the device was never reached."""

    artifact: str
    recipe: str
    profile: str | None

    def __str__(self) -> str:
        return f"{self.artifact}.{self.recipe} on {self.profile or 'a device that was not reached'}"


class Finding(Record, frozen=True, kw_only=True):
    """One quantity of a pair: the medians, the limit, the verdict.

    `quantity` is `status` for whether the run worked at all; its values are `ok` and `failed`.
    `where` is the rung of an accuracy, the sensor and kind of an energy.
    """

    quantity: str
    where: str = ""
    unit: Unit | None
    better: Better
    base: float | str | Missing
    new: float | str | Missing
    limit: Limit | None
    verdict: Verdict


class Pair(Record, frozen=True, kw_only=True):
    """Two runs of the same artifact and recipe on the same device profile.

    Attributes:
        allowed: conditions that differ, and that the user allowed to.
        changed: program and versions that differ.
        notes: what the delegate takes now or takes no more.
    """

    key: Key
    kind: Literal["hardware", "emulated"] | None
    clock: Clock | None
    outcome: Outcome
    allowed: tuple[Difference, ...]
    changed: tuple[Difference, ...]
    findings: tuple[Finding, ...]
    blame: tuple[Blame, ...] | Missing
    notes: tuple[str, ...]


class Comparison(Record, frozen=True, kw_only=True):
    """All pairs, and the runs of either side that have no partner."""

    schema: int = SCHEMA
    outcome: Outcome
    pairs: tuple[Pair, ...]
    only_base: tuple[Key, ...]
    only_new: tuple[Key, ...]

    def list_unmeasured(self) -> list[str]:
        """What the base has and the new side lacks, in words: what `--require` does not let pass."""
        lacking = [f"{key}: not measured at all" for key in self.only_base]
        for pair in self.pairs:
            lacking += [
                f"{pair.key}: {finding.quantity}{f' of {finding.where}' if finding.where else ''}"
                for finding in pair.findings
                if isinstance(finding.new, Missing) and not isinstance(finding.base, Missing)
            ]
        return lacking


def key_of(run: Run) -> Key:
    """The key that `run` is matched by."""
    profile = run.device.profile if run.device is not None else None
    return Key(artifact=run.artifact.name, recipe=run.artifact.recipe, profile=profile)


def compare_runs(
    base: Sequence[Run], new: Sequence[Run], *, limits: Limits | None = None, allow: Collection[str] = ()
) -> Comparison:
    """Compare the runs of two sides.

    Raises:
        InputError: nothing can be matched, a run is there twice on a side, conditions differ that are not in
            `allow`, or `allow` names none; all of them are named.
    """
    check_allowed(allow)
    pairs, only_base, only_new = _match(_by_key(base, "BASE"), _by_key(new, "NEW"))
    if not pairs:
        raise InputError(
            f"nothing to compare: BASE has {_listed(only_base)}; NEW has {_listed(only_new)}",
            hint="runs are matched by artifact name, recipe and device profile",
        )
    _check_conditions(pairs, allow)
    compared = tuple(_compare_pair(key, *pair, limits or Limits()) for key, pair in pairs.items())
    return Comparison(
        outcome=_worst([pair.outcome for pair in compared]),
        pairs=compared,
        only_base=tuple(only_base),
        only_new=tuple(only_new),
    )


_Pairs = dict[Key, tuple[Run, Run]]


def _by_key(runs: Sequence[Run], side: str) -> dict[Key, Run]:
    found: dict[Key, Run] = {}
    for run in runs:
        key = key_of(run)
        if key in found:
            raise InputError(
                f"{side} has more than one run of {key}: {found[key].id}, {run.id}",
                hint="give one report, or one run by its id",
            )
        found[key] = run
    return found


def _match(base: dict[Key, Run], new: dict[Key, Run]) -> tuple[_Pairs, list[Key], list[Key]]:
    pairs = {key: (run, new[key]) for key, run in base.items() if key in new}
    only_base = [key for key in base if key not in pairs]
    only_new = [key for key in new if key not in pairs]
    for lost in [key for key in only_new if key.profile is None]:
        # The device was never reached and did not say who it is: whose partner it is shows when one is left.
        left = [key for key in only_base if (key.artifact, key.recipe) == (lost.artifact, lost.recipe)]
        if len(left) == 1:
            pairs[left[0]] = (base[left[0]], new[lost])
            only_base.remove(left[0])
            only_new.remove(lost)
    for before in list(only_base):
        partners = [key for key in only_new if are_paired(base[before], new[key])]
        rivals = [key for key in only_base if are_paired(base[before], base[key])]
        if len(partners) == len(rivals) == 1:
            now = partners[0]
            name = f"{before.artifact}.{before.recipe} -> {now.artifact}"
            pairs[replace(now, artifact=name)] = (base[before], new[now])
            only_base.remove(before)
            only_new.remove(now)
    return pairs, only_base, only_new


def _check_conditions(pairs: _Pairs, allow: Collection[str]) -> None:
    unlike: dict[str, list[str]] = {}
    for key, (base, new) in pairs.items():
        if base.device is None or new.device is None:
            continue
        for difference in find_differences(base, new):
            if difference.name not in allow:
                text = f"{difference.name} ({difference.base} -> {difference.new})"
                unlike.setdefault(f"{key}: {text}", []).append(difference.name)
    if unlike:
        names = ",".join(dict.fromkeys(name for each in unlike.values() for name in each))
        raise InputError(
            f"the runs were made under unlike conditions and are not compared. {'; '.join(unlike)}",
            hint=f"measure again under the same conditions, or compare all the same with --allow {names}",
        )


def _compare_pair(key: Key, base: Run, new: Run, limits: Limits) -> Pair:
    findings = [_judge_status(base, new)]
    blame: tuple[Blame, ...] | Missing = Missing(missing="a run failed")
    if base.status == new.status == "ok":
        paired = _read_pairing(base, new)
        findings += [_judge_quantity(two, limits, paired) for two in read_quantities(base, new)]
        blame = find_blame(base, new)
    device = new.device or base.device
    return Pair(
        key=key,
        kind=device.kind if device else None,
        clock=device.clock if device else None,
        outcome=_worst([finding.verdict.outcome for finding in findings]),
        allowed=find_differences(base, new) if base.device and new.device else (),
        changed=find_changes(base, new),
        findings=tuple(findings),
        blame=blame,
        notes=describe_delegation(base.artifact.delegation, new.artifact.delegation),
    )


def _read_pairing(base: Run, new: Run) -> PairedVerdict | None:
    try:
        return compare_paired(base, new)
    except ValueError:
        return None


def _judge_status(base: Run, new: Run) -> Finding:
    now: str | Missing = new.status
    why = "" if new.error is None else f"failed at {new.error.stage}: {new.error.message}"
    if new.status == "ok":
        change: Change = "same" if base.status == "ok" else "better"
        reason = "" if base.status == "ok" else "it failed before; there is nothing to compare it with"
        verdict = Verdict(change=change, outcome="passed", reason=reason)
    elif new.device is None:
        # A board that does not answer says nothing about the program.
        now = Missing(missing=why)
        verdict = Verdict(change="not measured", outcome="undecided", reason=why)
    elif base.status == "failed":
        verdict = Verdict(change="same", outcome="undecided", reason=f"it failed before too; {why}")
    else:
        verdict = Verdict(change="worse", outcome="regressed", reason=why)
    return Finding(
        quantity="status", unit=None, better="higher", base=base.status, new=now, limit=None, verdict=verdict
    )


def _judge_quantity(two: Two, limits: Limits, paired: PairedVerdict | None) -> Finding:
    sides = [side for side in (two.base, two.new) if not isinstance(side, Missing)]
    exact = all(side.exact for side in sides)
    limit = limits.find(two.quantity, exact=exact)
    repeats = find_gate(two.quantity).repeats
    if two.quantity == "latency" and paired is not None and not (exact or isinstance(two.base, Missing)):
        verdict = judge_against(paired, limit, two.base.typical)
    else:
        verdict = judge(two.base, two.new, limit, two.better, repeats)
    return Finding(
        quantity=two.quantity,
        where=two.where,
        unit=sides[0].unit,
        better=two.better,
        base=two.base if isinstance(two.base, Missing) else two.base.typical,
        new=two.new if isinstance(two.new, Missing) else two.new.typical,
        limit=limit,
        verdict=verdict,
    )


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return next((outcome for outcome in ORDER if outcome in outcomes), "not judged")


def _listed(keys: Sequence[Key]) -> str:
    return ", ".join(map(str, keys)) or "nothing"
