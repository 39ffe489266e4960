"""The state of a real device while it is measured, sampled by the runner beside the latency pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from edgeq.devices.watching import Watch
from edgeq.measure.readings import job_sensor, read_probe, tell_cost
from edgeq.results.records import Missing, RunWarning, Series
from edgeq.runner.job import Job, Result, Sampling

# The quantities of a watch, by which a Run says what was not sampled.
WATCHED = ("clock", "temperature", "throttling", "cores", "others")
# Seconds. A file is read in some 20 us, a command takes milliseconds of CPU time: it is asked once a second.
INTERVAL = 0.2
_COMMANDS_EVERY = 5


@dataclass
class Watched:
    """What was seen, and why what is not there is not."""

    series: list[Series] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)
    warnings: list[RunWarning] = field(default_factory=list)


def watch_job(latency: Job, watch: Watch) -> Job:
    """The latency pass with what `watch` reads beside it."""
    if not watch.probes:
        return latency
    sensors = tuple(job_sensor(probe, _COMMANDS_EVERY if probe.command else 1) for probe in watch.probes)
    return replace(latency, sampling=Sampling(interval=INTERVAL, sensors=sensors))


def find_watched(results: Sequence[Result], watch: Watch) -> Watched:
    """What the results of `watch_job` show, of one process or of several that followed each other."""
    found = Watched(not_measured=dict(watch.missing))
    parts = [result.sampled for result in results if result.sampled is not None]
    if not parts or not watch.probes:
        reason = "the runner failed before it sampled" if watch.probes else "nothing was there to sample"
        found.not_measured |= {name: reason for name in WATCHED if name not in watch.missing}
        return found
    reasons: dict[str, list[str]] = {}
    for index, probe in enumerate(watch.probes):
        series, warnings = read_probe(probe, parts, index)
        found.warnings += warnings
        if isinstance(series, Missing):
            reasons.setdefault(probe.quantity, []).append(f"{probe.name}: {series.missing}")
        else:
            found.series.append(series)
    seen = {series.name.partition(".")[0] for series in found.series}
    found.not_measured |= {name: "; ".join(why) for name, why in reasons.items() if name not in seen}
    cost, warnings = tell_cost(parts, "latency pass")
    found.series += cost
    found.warnings += warnings
    return found
