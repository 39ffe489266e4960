"""Energy of an inference from sampled power, with an interval, or the reason why no such claim can be made.

Power is integrated by the trapezoid rule over the measured phase, from the first inference's start to the
last one's end, and divided by the number of inferences: the gross energy, pauses between requests and all.
Net energy leaves out what the device draws in the same time without work, as measured before and after.

The interval is of the mean power: its standard error with as many independent samples as their
autocorrelation leaves, a step of the sensor, and the difference between the idle phases, in quadrature
(JCGM 100:2008, 4.3.7 and G.4.1). What the sensor does not see, or sees wrongly, is in no interval.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeq.results.interval import Floats, find_tick, memory
from edgeq.results.records import Missing, Record, Run, Series

CONFIDENCE = 0.95
# A standard error from fewer independent values is hardly one.
LEAST_INDEPENDENT = 10
LEAST_IDLE = 5
# Share of a phase that may lie further from the next sample than samples usually lie apart.
MOST_LOST = 0.05
# How many usual distances make a gap; samples are drawn within their intervals, so that two may lie apart.
GAP = 3.0
# A value that stays over so much of the phases on both sides of a change of load shows no change of load.
STUCK = 0.25

METHOD = (
    f"trapezoid over the samples between the first inference's start and the last one's end; "
    f"{CONFIDENCE:.0%} interval from the standard error with the samples' autocorrelation"
)


class Bounds(Record, frozen=True, kw_only=True):
    """A value that lies between `low` and `high` with a confidence of `CONFIDENCE`."""

    value: float
    low: float
    high: float


class Energy(Record, frozen=True, kw_only=True):
    """Energy per inference, J.

    Attributes:
        gross: all that the site draws in the time of an inference and the pause after it.
        net: gross without what it draws idle in the same time.
        power: mean of the measured phase, W.
        idle: mean without work, W.
        inferences: in the measured phase.
        seconds: length of the measured phase.
        samples: in the measured phase; `independent` of them, after their autocorrelation.
    """

    gross: Bounds
    net: Bounds | Missing
    power: Bounds
    idle: Bounds | Missing
    inferences: int
    seconds: float
    samples: int
    independent: float
    method: str = METHOD


@dataclass(frozen=True)
class Trace:
    """Power (W) at ascending times (s), of one site."""

    times: Floats
    watts: Floats


@dataclass(frozen=True)
class Phases:
    """When the device worked and when it did not: (begin, end) in seconds on the clock of the trace."""

    measured: tuple[float, float]
    inferences: int
    idle: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class _Mean:
    """A mean power with its variance; `freedom` of that, infinite for what is not estimated from samples."""

    value: float
    variance: float
    freedom: float
    samples: int
    independent: float


def find_phases(run: Run) -> Phases | Missing:
    """The phases of a run: those of its power pass, or of its latency pass when it had no power pass."""
    work = run.find_series("inference", "sampled") or run.find_series("latency")
    if work is None or not work.values or not work.times:
        return Missing(missing="the run has no inferences with times")
    rest = run.find_series("idle", "sampled")
    return Phases(
        measured=(work.times[0], work.times[-1] + work.values[-1]),
        inferences=len(work.values),
        idle=tuple((at, at + length) for at, length in zip(rest.times or (), rest.values, strict=True))
        if rest
        else (),
    )


def find_energies(run: Run) -> dict[str, Energy | Missing]:
    """Energy of an inference by every power series of a run, by the series' source."""
    phases = find_phases(run)
    return {
        series.source: phases if isinstance(phases, Missing) else estimate_energy(trace_of(series), phases)
        for series in run.series
        if series.name == "power" and series.times
    }


def trace_of(series: Series) -> Trace:
    """A power series as a trace."""
    return Trace(np.asarray(series.times or (), np.float64), np.asarray(series.values, np.float64))


def estimate_energy(trace: Trace, phases: Phases) -> Energy | Missing:
    """The energy of an inference, or why the samples carry no such claim."""
    if refused := _why_unusable(trace, phases):
        return Missing(missing=refused)
    tick = find_tick(trace.watts)
    work = _mean_power(trace, phases.measured, tick)
    if work.independent < LEAST_INDEPENDENT:
        return Missing(
            missing=f"too few samples: {work.samples} in the measured phase are worth "
            f"{work.independent:.1f} independent ones, {LEAST_INDEPENDENT} are needed; run longer"
        )
    seconds = phases.measured[1] - phases.measured[0]
    share = seconds / phases.inferences
    rest = _idle_power(trace, phases, tick)
    return Energy(
        gross=_bound(work, share),
        net=rest if isinstance(rest, Missing) else _bound(_combine((1, work), (-1, rest)), share),
        power=_bound(work, 1),
        idle=rest if isinstance(rest, Missing) else _bound(rest, 1),
        inferences=phases.inferences,
        seconds=seconds,
        samples=work.samples,
        independent=work.independent,
    )


def window_energies(
    trace: Trace, starts: Sequence[float], end: float, idle_watts: float = 0.0, windows: int = 100
) -> tuple[Floats, Floats]:
    """Energy (J) per inference in each of consecutive windows of whole inferences, and when each begins.

    A window holds four samples at least; there are no more than `windows` of them.
    """
    trace = _clip(trace, (starts[0], end))
    count = max(1, min(windows, trace.times.size // 4, len(starts)))
    firsts = [part[0] for part in np.array_split(np.arange(len(starts)), count)]
    edges = np.append(np.asarray(starts)[firsts], end)
    counts = np.diff([*firsts, len(starts)])
    joules = np.array(
        [_integrate(trace, *span) - idle_watts * (span[1] - span[0]) for span in itertools.pairwise(edges)]
    )
    return joules / counts, edges[:-1]


def _why_unusable(trace: Trace, phases: Phases) -> str | None:
    begin, end = phases.measured
    if phases.inferences < 1 or end <= begin:
        return "there is no measured phase"
    if trace.times.size < 2 or not np.isfinite(trace.watts).all():
        return "there are no samples of power"
    if (np.diff(trace.times) <= 0).any():
        return "the samples' times do not ascend"
    lost = _lost(trace, phases.measured)
    if lost > MOST_LOST:
        return f"{lost:.0%} of the measured phase have no sample near them"
    return _why_stuck(trace, phases)


def _lost(trace: Trace, span: tuple[float, float]) -> float:
    """Share of `span` in gaps, beyond the distance at which samples usually follow each other."""
    begin, end = span
    edges = np.concatenate([[begin], trace.times[_inside(trace, span)], [end]])
    allowed = GAP * float(np.median(np.diff(trace.times)))
    return float(np.maximum(np.diff(edges) - allowed, 0).sum() / (end - begin))


def _why_stuck(trace: Trace, phases: Phases) -> str | None:
    """A sensor that sticks cannot be told from a coarse one: neither shows what the load changed."""
    if np.ptp(trace.watts) == 0:
        return f"the sensor gave one value in all of its {trace.watts.size} samples: stuck, or too coarse"
    changes = np.flatnonzero(np.diff(trace.watts)) + 1
    begins = trace.times[np.append(0, changes)]
    ends = trace.times[np.append(changes, trace.times.size) - 1]
    for rest in phases.idle:
        shared = np.minimum(_overlap(begins, ends, rest), _overlap(begins, ends, phases.measured))
        if shared.max() >= STUCK:
            return "the sensor stayed at one value over a change between work and rest: stuck, or too coarse"
    return None


def _overlap(begins: Floats, ends: Floats, span: tuple[float, float]) -> Floats:
    """Share of `span` that each stretch covers."""
    covered: Floats = np.minimum(ends, span[1]) - np.maximum(begins, span[0])
    return np.maximum(covered, 0) / (span[1] - span[0])


def _inside(trace: Trace, span: tuple[float, float]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (trace.times >= span[0]) & (trace.times <= span[1])


def _clip(trace: Trace, span: tuple[float, float]) -> Trace:
    """The samples within `span`: at a change of load the line to the next one outside would be wrong."""
    inside = _inside(trace, span)
    return Trace(trace.times[inside], trace.watts[inside])


def _integrate(trace: Trace, begin: float, end: float) -> float:
    """Joules between two times. Power is on the line between samples, and stays before and after them."""
    inside = trace.times[(trace.times > begin) & (trace.times < end)]
    times = np.concatenate([[begin], inside, [end]])
    watts = np.interp(times, trace.times, trace.watts)
    return float(((watts[1:] + watts[:-1]) / 2 * np.diff(times)).sum())


def _mean_power(trace: Trace, span: tuple[float, float], tick: float) -> _Mean:
    clipped = _clip(trace, span)
    watts = clipped.watts
    if watts.size < 2:
        return _Mean(math.nan, math.inf, 1, int(watts.size), float(watts.size))
    value = _integrate(clipped, *span) / (span[1] - span[0])
    independent = watts.size / memory(watts)
    variance = float(watts.var(ddof=1)) / independent
    sampled = _Mean(value, variance, max(independent - 1, 1), int(watts.size), independent)
    # Rounding to a step is no noise that averages out: a rectangle of that width.
    return _combine((1, sampled), (1, _Mean(0, tick**2 / 12, math.inf, 0, 0)))


def _idle_power(trace: Trace, phases: Phases, tick: float) -> _Mean | Missing:
    """The mean of the idle phases; where they differ, the truth may lie anywhere between them."""
    if not phases.idle:
        return Missing(missing="there was no idle phase")
    means = [_mean_power(trace, span, tick) for span in phases.idle]
    independent = sum(mean.independent for mean in means)
    if independent < LEAST_IDLE or any(
        mean.samples < 2 or _lost(trace, span) > MOST_LOST
        for mean, span in zip(means, phases.idle, strict=True)
    ):
        return Missing(
            missing=f"too few samples of the idle device: worth {independent:.1f} independent ones, "
            f"{LEAST_IDLE} are needed"
        )
    values = [mean.value for mean in means]
    between = _Mean(0, (max(values) - min(values)) ** 2 / 12, math.inf, 0, 0)
    return _combine(*((1 / len(means), mean) for mean in means), (1, between))


def _combine(*terms: tuple[float, _Mean]) -> _Mean:
    """The weighted sum of independent means; degrees of freedom by Welch and Satterthwaite."""
    variances = [(weight**2 * mean.variance, mean.freedom) for weight, mean in terms]
    variance = sum(each for each, _ in variances)
    parts = sum(each**2 / freedom for each, freedom in variances)
    return _Mean(
        value=sum(weight * mean.value for weight, mean in terms),
        variance=variance,
        freedom=variance**2 / parts if parts else math.inf,
        samples=terms[0][1].samples,
        independent=terms[0][1].independent,
    )


def _bound(mean: _Mean, factor: float) -> Bounds:
    reach = student_t(mean.freedom) * math.sqrt(mean.variance)
    return Bounds(
        value=mean.value * factor, low=(mean.value - reach) * factor, high=(mean.value + reach) * factor
    )


def student_t(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of Student's t; within 1 % from 4 degrees of freedom on.

    Expansion in 1/freedom: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (n + 1) for n, term in enumerate(terms))
