"""Whether one artifact is faster than another, from rounds in which both ran, in an order that was drawn.

If the two are the same, the order alone decides which came out ahead in a round: the toss of a coin,
whatever the device did meanwhile. Drift, steps, heavy tails and noise with a memory change how far apart the
two are, not the odds of the sign, and the signed ranks of the log ratios ask for no more. The interval
assumes that the factor between the two is the same in all rounds.

Rounds may end early at two looks before the last. Each look has a third of the error to spend (Bonferroni),
so that all three intervals hold at once with `CONFIDENCE`, and whichever look was the last may be believed.
An end by time depends on how long the rounds took, not on who was ahead, and costs nothing.

Counted instructions repeat: they are compared exactly, as far as they do.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np

from edgeq.results.interval import CONFIDENCE, find_tick
from edgeq.results.limits import GATES, Limit
from edgeq.results.records import Record, Run, Unit
from edgeq.results.signed_ranks import Floats, bound_shift, find_detectable, least_values
from edgeq.results.verdict import Verdict, judge_interval

LOOKS = 3
# Confidence of the interval at each look.
LEVEL = 1 - (1 - CONFIDENCE) / LOOKS
LEAST_ROUNDS = least_values(LEVEL)
# The smallest difference is the one that is seen with this chance.
POWER = 0.8
# An interval of an answer that is no wider than this share tells enough.
_NARROW = 0.1
# Nobody acts on a difference of less than this share: an interval inside it cannot become clearer.
_NOTHING = 0.005

Answer = Literal["faster", "slower", "no difference seen", "cannot tell"]
Rounds = Sequence[Sequence[float]]


class PairedVerdict(Record, frozen=True, kw_only=True):
    """What rounds of two artifacts say.

    Attributes:
        answer: what the new one is beside the base.
        ratio: new over base: of the typical round on a wall clock, of the counts on an instruction clock.
        low: lower end of the interval of `ratio`; None when there are too few rounds.
        high: upper end.
        detectable: the smallest difference, as a share, that such rounds prove with a chance of `POWER`; on
            an instruction clock how far counts repeat.
        exact: whether counts were compared.
        rounds: in which both ran.
        inferences: measured in these rounds, of base and new.
        seed: of the order in the rounds.
        reason: why, when the answer does not say it all.
    """

    answer: Answer
    ratio: float
    low: float | None = None
    high: float | None = None
    detectable: float | None = None
    exact: bool = False
    rounds: int
    inferences: tuple[int, int]
    seed: int | None = None
    reason: str = ""


def plan_looks(rounds: int, level: float = LEVEL) -> tuple[int, ...]:
    """After how many of at most `rounds` rounds to look: a quarter, a half, all.

    A look that would come before an interval of confidence `level` exists waits for it.
    """
    looks = {max(least_values(level), -(-rounds // share)) for share in (4, 2)}
    return (*sorted(look for look in looks if look < rounds), rounds)


def is_settled(base: Rounds, new: Rounds, level: float = LEVEL) -> bool:
    """Whether more rounds would tell nobody more: to be asked at a planned look only, of a wall clock.

    Raises:
        ValueError: too few rounds for an interval of confidence `level`.
    """
    low, high, _ = bound_rounds(base, new, level)
    clear = (low > 1 or high < 1) and high <= low * (1 + _NARROW)
    return clear or (low >= 1 - _NOTHING and high <= 1 + _NOTHING)


def answer_of(low: float, high: float) -> Answer:
    """What an interval of the ratio of two latencies says of the new one."""
    return "slower" if low > 1 else "faster" if high < 1 else "no difference seen"


def bound_rounds(base: Rounds, new: Rounds, level: float = LEVEL) -> tuple[float, float, float]:
    """Both ends of the interval of the ratio on a wall clock, of confidence `level`, and the ratio.

    Raises:
        ValueError: too few rounds for that confidence.
    """
    shift = bound_shift(_log_ratios(base, new).tolist(), level)
    tick = _tick_share(base, new)
    low, high = float(np.exp(shift.low)) - tick, float(np.exp(shift.high)) + tick
    return max(0.0, low), high, float(np.exp(shift.centre))


def typical_of(rounds: Rounds) -> float:
    """The median of the rounds' medians, in their unit; endless where nothing was measured."""
    medians = [median(values) for values in rounds if values]
    return median(medians) if medians else float("inf")


def judge_rounds(base: Rounds, new: Rounds, unit: Unit, seed: int | None = None) -> PairedVerdict:
    """Compare the latencies in `unit` of two artifacts, round by round; what one has more of is left out.

    Raises:
        ValueError: no rounds, or values that are not above zero.
    """
    count = min(len(base), len(new))
    base, new = base[:count], new[:count]
    values = [value for side in (base, new) for each in side for value in each]
    if not count or not all(map(len, (*base, *new))):
        raise ValueError("a verdict needs a round in which both were measured")
    if not (np.isfinite(values).all() and min(values) > 0):
        raise ValueError("a ratio needs values above zero")
    judge = _judge_counts if unit == "insn" else _judge_times
    inferences = (sum(map(len, base)), sum(map(len, new)))
    return judge(base, new, inferences, seed)


def are_paired(base: Run, new: Run) -> bool:
    """Whether the two ran in the rounds of one pairing."""
    return base.pairing is not None and new.pairing is not None and base.pairing.id == new.pairing.id


def compare_paired(base: Run, new: Run) -> PairedVerdict:
    """The verdict on two runs of one pairing.

    Raises:
        ValueError: they are not, or one of them has no latency.
    """
    if not are_paired(base, new) or base.pairing is None:
        raise ValueError("the runs were not measured in rounds of one pairing")
    before, now = base.find_series("latency"), new.find_series("latency")
    if before is None or now is None or before.unit != now.unit:
        raise ValueError("the runs have no latencies to compare")
    return judge_rounds(split_rounds(base), split_rounds(new), before.unit, base.pairing.seed)


def split_rounds(run: Run) -> list[tuple[float, ...]]:
    """The measured latencies of a run of a pairing, round by round."""
    series = run.find_series("latency")
    if series is None or run.pairing is None:
        return []
    bounds = [*run.pairing.rounds, len(series.values)]
    return [series.values[first:end] for first, end in pairwise(bounds)]


def judge_against(verdict: PairedVerdict, limit: Limit | None, base: float) -> Verdict:
    """What a gate makes of it: `limit` is how much worse the new one may be than a latency of `base`."""
    if verdict.low is None or verdict.high is None:
        outcome: Literal["undecided", "not judged"] = "undecided" if limit is not None else "not judged"
        return Verdict(change="cannot tell", outcome=outcome, ratio=verdict.ratio, reason=verdict.reason)
    most = None if limit is None else 1 + limit.slack(base) / base
    rests = f"paired, {verdict.rounds} rounds in random order"
    return judge_interval(verdict.ratio, verdict.low, verdict.high, most, verdict.reason or rests)


def _judge_counts(base: Rounds, new: Rounds, inferences: tuple[int, int], seed: int | None) -> PairedVerdict:
    medians = [np.array([np.median(each) for each in side]) for side in (base, new)]
    ratio = float(np.median(medians[1]) / np.median(medians[0]))
    seen = max(float(np.ptp(side) / np.median(side)) for side in medians)
    bound = max(GATES["latency"].repeats, seen)
    low, high = ratio * (1 - bound), ratio * (1 + bound)
    reason = f"the counts differ by {seen:.2%} from round to round" if bound == seen else ""
    return PairedVerdict(
        answer=answer_of(low, high),
        ratio=ratio,
        low=low,
        high=high,
        detectable=bound,
        exact=True,
        rounds=len(base),
        inferences=inferences,
        seed=seed,
        reason=reason,
    )


def _judge_times(base: Rounds, new: Rounds, inferences: tuple[int, int], seed: int | None) -> PairedVerdict:
    shifts = _log_ratios(base, new)
    rounds = len(base)
    if rounds < LEAST_ROUNDS:
        return PairedVerdict(
            answer="cannot tell",
            ratio=float(np.exp(np.median(shifts))),
            rounds=rounds,
            inferences=inferences,
            seed=seed,
            reason=f"{rounds} round{'s' if rounds > 1 else ''} cannot tell; it takes {LEAST_ROUNDS}",
        )
    low, high, ratio = bound_rounds(base, new)
    detectable = float(np.expm1(find_detectable(shifts.tolist(), LEVEL, POWER))) + _tick_share(base, new)
    return PairedVerdict(
        answer=answer_of(low, high),
        ratio=ratio,
        low=low,
        high=high,
        detectable=detectable,
        rounds=rounds,
        inferences=inferences,
        seed=seed,
    )


def _log_ratios(base: Rounds, new: Rounds) -> Floats:
    medians = [[median(each) for each in side] for side in (base, new)]
    ratios: Floats = np.log(medians[1]) - np.log(medians[0])
    return ratios


def _tick_share(base: Rounds, new: Rounds) -> float:
    """The clock's tick as a share: no median is known better (and what floating point makes of it)."""
    sides = [np.concatenate([np.asarray(each, dtype=np.float64) for each in side]) for side in (base, new)]
    return float((1 + 1e-9) * max(map(find_tick, sides)) / np.median(sides[0]))
