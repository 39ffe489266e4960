"""Power and energy: a pass of its own, in which the runner reads the profile's sensors beside the inferences.

It is apart from the latency pass, so that no number of that one was taken while sensors were read. The pass
rests before and after, for what the device draws without work. What a sensor gave is kept in a Series; the
energy of an inference is a Series too where the samples carry such a claim, and has a reason where not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace

from edgeq.devices.hardware import Sensor
from edgeq.devices.link import Link
from edgeq.devices.sampling import Probe, find_probes
from edgeq.measure.readings import UNIT_OF, job_sensor, read_probe, tell_cost
from edgeq.results.energy import Energy, Phases, Trace, estimate_energy, window_energies
from edgeq.results.origin import EnergyKind, describe_energy
from edgeq.results.records import Missing, RunWarning, Series
from edgeq.runner.job import Job, Result, Sampling
from edgeq.runner.jobs import JobLauncher

SECONDS = 10.0
IDLE = (5.0, 5.0)
# A file is read in some 20 us, a command takes milliseconds of CPU time: both stay near a thousandth to a
# hundredth of one core.
FILE_INTERVAL, COMMAND_INTERVAL = 0.05, 0.2
# Each of them is in the Run. A network that needs less than 200 us gets a shorter pass.
MOST_INFERENCES = 50_000

# What the pass reads; the sensors of power come first.
_QUANTITIES = ("power", "energy", "temperature", "clock")
Found = tuple[tuple[Probe, ...], dict[str, str]]

_CLOCK = "CLOCK_MONOTONIC, power pass"
_NO_SENSOR = "the device's profile names no power sensor"


@dataclass
class PowerFindings:
    """What the power pass showed, and why what is not there is not."""

    series: list[Series] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)
    warnings: list[RunWarning] = field(default_factory=list)


def find_power_probes(link: Link, sensors: Iterable[Sensor], root: str = "") -> Found:
    """What the power pass reads: sensors of power, and of what power depends on.

    Returns:
        The probes, and why there are none of the sensors of power that the device has not.

    Raises:
        DeviceUnreachable: the link broke.
    """
    wanted = {sensor.name: sensor for sensor in sensors if sensor.quantity in _QUANTITIES}
    probes, missing = find_probes(link, wanted.values(), root)
    return probes, {name: why for name, why in missing.items() if UNIT_OF[wanted[name].quantity] == "W"}


def find_power_gap(kind: str, clock: str, sensors: Iterable[Sensor]) -> str | None:
    """Why no power will be measured on a device of that kind, clock and sensors; None when it may be.

    A device without a sensor may have a bench meter: its power pass is worth running all the same.
    """
    if kind == "emulated" or clock != "wall":
        return "an emulated device draws no power of its own"
    if not any(sensor.quantity in ("power", "energy") for sensor in sensors):
        return _NO_SENSOR
    return None


def power_job(latency: Job, probes: Sequence[Probe]) -> Job:
    """The latency pass made long enough for sensors, with a rest on either side. `probes` may be empty."""
    commands = any(probe.command for probe in probes)
    seconds = max(SECONDS, latency.seconds[0])
    return replace(
        latency,
        iterations=(1, MOST_INFERENCES),
        seconds=(seconds, seconds),
        agreement=None,
        sampling=Sampling(
            interval=COMMAND_INTERVAL if commands else FILE_INTERVAL,
            sensors=tuple(map(job_sensor, probes)),
            idle=IDLE,
        ),
    )


def measure_power(
    launcher: JobLauncher,
    latency: Job,
    probes: Sequence[Probe],
    missing: Mapping[str, str],
    keep: Callable[[PowerFindings], None],
) -> None:
    """Run the power pass; `keep` gets its findings also when the runner failed in it.

    Args:
        launcher: of the device.
        latency: the job of the latency pass.
        probes: what to read, from `find_power_probes`.
        missing: why sensors of the profile are not among them, by name.
        keep: called once.

    Raises:
        RunnerError, DeviceUnreachable: as the launcher.
    """
    launcher.run(power_job(latency, probes), keep=lambda result: keep(find_power(result, probes, missing)))


def find_power(result: Result, probes: Sequence[Probe], missing: Mapping[str, str]) -> PowerFindings:
    """What a result of `power_job` with these probes shows; `missing` as in `measure_power`."""
    findings = PowerFindings()
    if result.sampled is None:
        reason = f"the runner {'failed before it' if result.error else 'did not'} read a sensor"
        findings.not_measured = {"power": reason, "energy": reason}
        return findings
    phases = _add_phases(result, findings)
    gaps: dict[str, list[str]] = {"power": [f"{name}: {why}" for name, why in missing.items()], "energy": []}
    for index, probe in enumerate(probes):
        series, warnings = read_probe(probe, [result.sampled], index)
        findings.warnings += warnings
        is_power = UNIT_OF[probe.quantity] == "W"
        if isinstance(series, Missing):
            if is_power:
                gaps["power"].append(f"{probe.name}: {series.missing}")
            continue
        findings.series.append(series)
        energy = _energy_series(series, phases, result) if is_power else None
        if isinstance(energy, Missing):
            gaps["energy"].append(f"{probe.name}: {energy.missing}")
        elif energy is not None:
            findings.series.append(energy)
    for name, reasons in gaps.items():
        if not any(series.name == name for series in findings.series):
            findings.not_measured[name] = "; ".join(reasons or gaps["power"]) or _NO_SENSOR
    return findings


def _add_phases(result: Result, findings: PowerFindings) -> Phases | Missing:
    """Series of the work and the rests of the pass, and what sampling cost."""
    sampled = result.sampled
    assert sampled is not None  # noqa: S101 - the caller looked

    def add(name: str, values: Iterable[float], times: Iterable[float]) -> None:
        findings.series.append(
            Series(
                name=name,
                unit="s",
                phase="sampled",
                values=tuple(values),
                times=tuple(times),
                source=_CLOCK,
            )
        )

    cost, warnings = tell_cost([sampled], "power pass")
    findings.series += cost
    findings.warnings += warnings
    idle = tuple((begin * 1e-9, end * 1e-9) for begin, end in sampled.idle)
    if idle:
        lengths = ((end - begin) * 1e-9 for begin, end in sampled.idle)
        add("idle", lengths, (begin for begin, _ in idle))
    times = result.times
    if result.error is not None or times is None or not times.measured:
        return Missing(missing="the run was cut off before its inferences were done")
    add("inference", (t * 1e-9 for t in times.measured), (t * 1e-9 for t in times.starts))
    span = (times.starts[0] * 1e-9, (times.starts[-1] + times.measured[-1]) * 1e-9)
    return Phases(measured=span, inferences=len(times.measured), idle=idle)


def _energy_series(power: Series, phases: Phases | Missing, result: Result) -> Series | Missing:
    """Energy per inference in consecutive windows: net where the device's rest is known, else gross."""
    if isinstance(phases, Missing):
        return phases
    trace = Trace(np.asarray(power.times), np.asarray(power.values))
    energy = estimate_energy(trace, phases)
    times = result.times
    if isinstance(energy, Missing) and result.stopped_by == "iterations":
        length = phases.measured[1] - phases.measured[0]
        return Missing(missing=f"{energy.missing} ({phases.inferences} inferences took {length:.2g} s only)")
    if isinstance(energy, Missing) or times is None:
        return energy if isinstance(energy, Missing) else Missing(missing="the run was cut off")
    starts = [start * 1e-9 for start in times.starts]
    joules, begins = window_energies(trace, starts, phases.measured[1], _idle_watts(energy))
    kind: EnergyKind = "gross" if isinstance(energy.idle, Missing) else "net"
    return Series(
        name="energy",
        unit="J",
        phase="measured",
        values=tuple(map(float, joules)),
        times=tuple(map(float, begins)),
        source=describe_energy(power.source, kind, joules.size),
    )


def _idle_watts(energy: Energy) -> float:
    return 0.0 if isinstance(energy.idle, Missing) else energy.idle.value
