"""Whether one quantity became worse, and whether that is proven beyond its limit.

What repeats exactly (counts, bytes, scores) is compared exactly. What varies (times, energies) is compared by
an interval: it is a regression only when the whole interval lies beyond the limit.
"""

import math
import statistics
from typing import Literal

from edgeq.results.interval import LEAST_VALUES, bound_ratio
from edgeq.results.limits import Limit
from edgeq.results.records import Missing, Record, Unit

# What is left of decimal fractions: 0.98 - 0.97 is more than 0.01.
ROUNDING = 1e-9

Better = Literal["lower", "higher"]
Change = Literal["better", "same", "worse", "cannot tell", "not measured"]
Outcome = Literal["passed", "regressed", "undecided", "not judged"]


class Measured(Record, frozen=True, kw_only=True):
    """Values of a quantity in `unit`; `exact` when they would be the same in another run."""

    values: tuple[float, ...]
    unit: Unit
    exact: bool

    @property
    def typical(self) -> float:
        """The median."""
        return statistics.median(self.values)


class Verdict(Record, frozen=True, kw_only=True):
    """What became of a quantity.

    Attributes:
        change: better or worse at all, whatever the limit.
        outcome: what the gate makes of it; `undecided` is neither proven worse nor proven within the limit.
        ratio: new over base; None without both, or when the base is zero.
        low: lower end of the interval of `ratio`; None when the comparison is exact.
        high: upper end.
        reason: why, when `change` and `outcome` do not say it all.
    """

    change: Change
    outcome: Outcome
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def judge(
    base: Measured | Missing,
    new: Measured | Missing,
    limit: Limit | None,
    better: Better = "lower",
    repeats: float = 0.0,
) -> Verdict:
    """Compare a quantity with what it was; `limit` None: say what changed, judge nothing.

    `repeats` is the share by which an exact value still differs from boot to boot; less is no change.

    Raises:
        ValueError: the units differ, or a quantity that is better when higher has a sample of many values.
    """
    if isinstance(base, Missing):
        reason = f"not measured in the base: {base.missing}"
        return Verdict(change="not measured", outcome="not judged", reason=reason)
    if isinstance(new, Missing):
        outcome: Outcome = "not judged" if limit is None else "undecided"
        return Verdict(change="not measured", outcome=outcome, reason=f"not measured now: {new.missing}")
    if base.unit != new.unit:
        raise ValueError(f"cannot compare {base.unit} with {new.unit}")
    if base.exact and new.exact:
        return _judge_exact(base.typical, new.typical, limit, better, repeats)
    if better != "lower":
        raise ValueError("intervals are for costs: less is better")
    return _judge_sampled(base, new, limit)


def _judge_exact(before: float, now: float, limit: Limit | None, better: Better, repeats: float) -> Verdict:
    if not (math.isfinite(before) and math.isfinite(now)):
        return _judge_broken(before, now, limit)
    worse_by = now - before if better == "lower" else before - now
    ratio = now / before if before else None
    noise = repeats * abs(before)
    rounding = ROUNDING * max(abs(before), abs(now))
    change: Change = "same" if abs(worse_by) <= noise + rounding else "worse" if worse_by > 0 else "better"
    outcome: Outcome = "not judged"
    if limit is not None:
        # What does not repeat cannot prove anything: the limit is never finer than that.
        allowed = max(limit.slack(before), noise) + rounding
        outcome = "regressed" if worse_by > allowed else "passed"
    return Verdict(change=change, outcome=outcome, ratio=ratio)


def _judge_broken(before: float, now: float, limit: Limit | None) -> Verdict:
    """A value that is no number: worse if it was one before."""
    if not math.isfinite(before):
        reason = f"the base is {before}"
        return Verdict(
            change="cannot tell", outcome="undecided" if limit is not None else "not judged", reason=reason
        )
    outcome: Outcome = "regressed" if limit is not None else "not judged"
    return Verdict(change="worse", outcome=outcome, reason=f"it is {now} now")


def _judge_sampled(base: Measured, new: Measured, limit: Limit | None) -> Verdict:
    undecided: Outcome = "undecided" if limit is not None else "not judged"
    ratio = new.typical / base.typical if base.typical else None
    fewest = min(len(base.values), len(new.values))
    if fewest < LEAST_VALUES:
        reason = f"{fewest} value{'s' if fewest > 1 else ''} cannot show how much it varies"
        return Verdict(change="cannot tell", outcome=undecided, ratio=ratio, reason=reason)
    try:
        interval = bound_ratio(base.values, new.values)
    except ValueError as error:
        return Verdict(change="cannot tell", outcome=undecided, ratio=ratio, reason=str(error))
    reason = "" if interval.steady else "the series drifts or steps: the interval spans its levels"
    most = None if limit is None else 1 + limit.slack(base.typical) / base.typical
    return judge_interval(ratio, interval.low, interval.high, most, reason)


def judge_interval(
    ratio: float | None, low: float, high: float, most: float | None, reason: str = ""
) -> Verdict:
    """The verdict on a cost whose ratio lies between `low` and `high`; `most` is the limit as a ratio."""
    change: Change
    if low > 1 or high < 1:
        change = "worse" if low > 1 else "better"
    else:
        change = "same" if most is not None and high <= most else "cannot tell"
    outcome: Outcome = "not judged"
    if most is not None:
        outcome = "regressed" if low > most else "undecided" if high > most else "passed"
    return Verdict(change=change, outcome=outcome, ratio=ratio, low=low, high=high, reason=reason)
