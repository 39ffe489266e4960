"""From the samples of a runner to series: what each probe showed, and what reading it cost."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeq.devices.processor import busy_others, read_busy
from edgeq.devices.sampling import Probe, battery_power, parse_text
from edgeq.results.records import Missing, RunWarning, Series, Unit
from edgeq.runner.job import JobSensor, Sample, Sampled

# What a series of each quantity is in. A counter of joules becomes power by its slopes.
UNIT_OF: dict[str, Unit] = {
    "power": "W",
    "energy": "W",
    "temperature": "degC",
    "clock": "Hz",
    "throttling": "1",
    "cores": "1",
    "others": "1",
}
# Beyond these a sensor of silicon speaks nonsense: what it says is no reading.
_PLAUSIBLE = {"temperature": (-100.0, 250.0), "clock": (1e3, 1e11)}
MOST_OVERHEAD = 0.01


@dataclass
class _Readings:
    """Good readings of one probe, and what is to be said of the others."""

    good: list[tuple[float, float]] = field(default_factory=list)
    count: int = 0
    bad: int = 0
    said: str | None = None
    assumptions: tuple[str, ...] = ()


def job_sensor(probe: Probe, every: int = 1) -> JobSensor:
    """A probe as the runner reads it, in one of `every` intervals."""
    return JobSensor(files=probe.files, command=probe.command, room=probe.room, every=every)


def read_probe(
    probe: Probe, parts: Sequence[Sampled], index: int
) -> tuple[Series | Missing, list[RunWarning]]:
    """The series of one probe over one process or several that followed each other, and what it did wrong.

    Readings that are no number are left out and counted.

    Args:
        probe: what was read.
        parts: what each process sampled, in their order.
        index: of the probe among the job's sensors.
    """
    whole = _Readings()
    for part in parts:
        samples = [sample for sample in part.samples if sample.sensor == index]
        found = _read(probe, samples)
        if isinstance(found, Missing):
            return found, []
        whole.good += found.good
        whole.count += found.count
        whole.bad += found.bad
        whole.said = found.said or whole.said
        whole.assumptions = found.assumptions or whole.assumptions
    warnings = _warn_of(probe, whole, any(part.unanswered == index for part in parts))
    if probe.quantity == "energy" and whole.good and not any(slope for _, slope in whole.good):
        return Missing(
            missing="its counter did not rise; of a battery, name its power or current instead"
        ), warnings
    if not whole.good:
        short = "the run was too short for it" if whole.count else "it was never read"
        return Missing(missing=whole.said or short), warnings
    return _series(probe, whole.good), warnings


def tell_cost(parts: Sequence[Sampled], where: str) -> tuple[list[Series], list[RunWarning]]:
    """Share of one core's time that sampling took in the pass called `where`, with a warning above 1 %."""
    lasted = sum(part.ended - part.began for part in parts)
    if lasted <= 0:
        return [], []
    share = sum(part.cpu_time for part in parts) / lasted
    series = Series(
        name="sampling",
        unit="1",
        phase="sampled",
        values=(share,),
        source=f"CPU time of sampling in the {where}, commands included, over its duration",
    )
    if share <= MOST_OVERHEAD:
        return [series], []
    text = f"reading the sensors took {share:.1%} of one core's time in the {where}; it is in its numbers"
    return [series], [RunWarning(code="sampling-overhead", message=text, facts={"share": share})]


def _read(probe: Probe, samples: Sequence[Sample]) -> _Readings | Missing:
    times = [(sample.start + sample.end) * 0.5e-9 for sample in samples]
    texts = [sample.text for sample in samples]
    assumptions: tuple[str, ...] = ()
    values: Sequence[float | None]
    if probe.form == "battery":
        battery = battery_power(probe, texts)
        if isinstance(battery, Missing):
            return battery
        values, assumptions = battery
    elif probe.form == "busy":
        values = [None if text is None or read_busy(text) is None else 0.0 for text in texts]
    else:
        values = [_parse(probe, text) for text in texts]
    good = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    bad = len(values) - len(good)
    if probe.form == "busy":
        good = busy_others(times, [text or "" for text in texts])
    elif probe.quantity == "energy":
        good = _slopes(good)
    return _Readings(good, len(values), bad, _why_bad(samples, values), assumptions)


def _parse(probe: Probe, text: str | None) -> float | None:
    value = None if text is None else parse_text(probe, text)
    least, most = _PLAUSIBLE.get(probe.quantity, (float("-inf"), float("inf")))
    return value if value is not None and least <= value <= most else None


def _series(probe: Probe, good: Sequence[tuple[float, float]]) -> Series:
    unit = UNIT_OF[probe.quantity]
    own = probe.name if probe.name == probe.quantity else f"{probe.quantity}.{probe.name}"
    return Series(
        name="power" if unit == "W" else own,
        unit=unit,
        phase="sampled",
        values=tuple(value for _, value in good),
        times=tuple(time for time, _ in good),
        source=f"{probe.name} ({probe.site}): {probe.described}",
    )


def _warn_of(probe: Probe, found: _Readings, hangs: bool) -> list[RunWarning]:
    warnings = [_warn("sensor-assumption", probe, f"is read so: {text}") for text in found.assumptions]
    if found.said is not None:
        text = f"gave no number in {found.bad} of {found.count} readings: {found.said}"
        warnings.append(_warn("sensor-failed", probe, text, bad=found.bad, n=found.count))
    if hangs:
        warnings.append(_warn("sensor-hangs", probe, "was still being read at the end and did not answer"))
    return warnings


def _warn(code: str, probe: Probe, text: str, **facts: str | int | float) -> RunWarning:
    return RunWarning(
        code=code, message=f"the sensor {probe.name} {text}", facts={"sensor": probe.name, **facts}
    )


def _slopes(good: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Mean power between two readings of a counter of joules, in the middle; one that wraps says nothing."""
    return [
        ((before + after) / 2, (high - low) / (after - before))
        for (before, low), (after, high) in itertools.pairwise(good)
        if after > before and high >= low
    ]


def _why_bad(samples: Sequence[Sample], values: Sequence[float | None]) -> str | None:
    """What the last reading without a number said."""
    for sample, value in zip(reversed(samples), reversed(values), strict=True):
        if value is None:
            return sample.error or f"it answers {(sample.text or '')[:40]!r}"
    return None
