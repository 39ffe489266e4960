"""A bench meter's recording (CSV, on a clock of its own) laid over a run: the power of the whole board.

The run's own marker is its load: power rises when the idle phase ends and falls when the next one begins.
The offset between the clocks is the one that sets work apart from rest best, unless it is given.
"""

import csv
import datetime
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from edgeq.errors import InputError
from edgeq.results.energy import Energy, Phases, Trace, estimate_energy, find_phases, window_energies
from edgeq.results.interval import Floats
from edgeq.results.origin import EnergyKind, describe_energy
from edgeq.results.records import Missing, Run, RunWarning, Series

# Work and rest must lie this many standard deviations of the samples apart, or the offset is a guess.
LEAST_CONTRAST = 3.0
# Candidates for the offset; a finer one than the meter's own interval says nothing more.
_MOST_CANDIDATES = 200_000


@dataclass(frozen=True)
class Columns:
    """Where a recording has what: names in its first line, or numbers from 0 when it has none.

    Attributes:
        time: seconds times `seconds`, or ISO 8601.
        power: one column, or two (current and voltage) to multiply.
        watts: what the number, or the product, is to be multiplied by.
    """

    time: str
    power: tuple[str, ...]
    seconds: float = 1.0
    watts: float = 1.0


@dataclass(frozen=True)
class Offset:
    """`device time = meter time + seconds`. `how` says where it comes from."""

    seconds: float
    how: str


@dataclass(frozen=True)
class Recording:
    """A meter's recording and what is known of the meter.

    Attributes:
        path: the CSV.
        columns: of it.
        name: what to call the meter.
        site: where it sits, in the words of a profile.
        uncertainty: its own, as a share; None when nobody said.
        offset: seconds to add to its times for the device's; None to find it.
    """

    path: Path
    columns: Columns
    name: str
    site: str
    uncertainty: float | None = None
    offset: float | None = None


def lay_over(recording: Recording, run: Run) -> Run | Missing:
    """A run of its own: `run` with the meter's power and the energy of its inferences, or why there is none.

    Raises:
        InputError: the file is no such recording.
    """
    if refused := _why_partial(run, recording.site):
        return Missing(missing=refused)
    trace = read_recording(recording.path, recording.columns)
    phases = find_phases(run)
    if isinstance(phases, Missing):
        return phases
    given = recording.offset
    offset = find_offset(trace, phases) if given is None else Offset(given, "given")
    if isinstance(offset, Missing):
        return offset
    moved = _cut(Trace(trace.times + offset.seconds, trace.watts), phases)
    found = estimate_energy(moved, phases)
    if isinstance(found, Missing):
        return found
    return replace(
        run,
        id=uuid.uuid4().hex,
        series=(*run.series, *_series_of(recording, moved, found, phases, run)),
        not_measured={name: why for name, why in run.not_measured.items() if name not in ("power", "energy")},
        warnings=(*run.warnings, _tell(recording, offset, run)),
    )


def read_recording(path: Path, columns: Columns) -> Trace:
    """A recording in watts over seconds of the meter's clock.

    Raises:
        InputError: unreadable, or a column or number in it is not what it should be; the line is named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the recording {path}: {error}") from error
    # A semicolon stands where the comma is the decimal point.
    delimiter = max(";\t,", key=text.partition("\n")[0].count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    names = (columns.time, *columns.power)
    numbered = all(name.isdigit() for name in names)
    if not rows or not columns.power or (not numbered and any(name not in rows[0] for name in names)):
        there = ", ".join(rows[0])[:200] if rows else "nothing"
        raise InputError(f"{path}: it has no columns {', '.join(names)}; there are: {there}")
    places = [int(name) if numbered else rows[0].index(name) for name in names]
    times, watts = [], []
    for number, row in enumerate(rows if numbered else rows[1:], start=1 if numbered else 2):
        try:
            cells = [row[place].strip() for place in places]
            times.append(_seconds(cells[0], columns.seconds, delimiter))
            watts.append(columns.watts * math.prod(_number(cell, delimiter) for cell in cells[1:]))
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}: line {number} is no sample: {', '.join(row)[:100]}") from error
    if len(times) < 2 or (np.diff(times) <= 0).any():
        raise InputError(f"{path}: the times do not ascend")
    return Trace(np.array(times), np.array(watts))


def find_offset(trace: Trace, phases: Phases) -> Offset | Missing:
    """The offset at which power in the measured phase stands out most against the idle phases."""
    if not phases.idle:
        return Missing(missing="the run has no idle phase, so that nothing marks it in the recording")
    begin = min(phases.measured[0], *(span[0] for span in phases.idle))
    end = max(phases.measured[1], *(span[1] for span in phases.idle))
    room = float(trace.times[-1] - trace.times[0]) - (end - begin)
    if room < 0:
        return Missing(missing="the recording is shorter than the run")
    step = float(np.median(np.diff(trace.times))) / 2
    # Meter times at which the run may begin.
    places = trace.times[0] + np.linspace(0, room, min(int(room / step) + 2, _MOST_CANDIDATES))
    contrast = _mean_at(trace, places - begin, [phases.measured]) - _mean_at(
        trace, places - begin, phases.idle
    )
    best = float(places[np.argmax(contrast)] - begin)
    if noise := _why_unclear(trace, phases, best, float(contrast.max())):
        return Missing(missing=noise)
    return Offset(-best, "found by the rise and fall of the power at the ends of the measured phase")


def _why_unclear(trace: Trace, phases: Phases, shift: float, contrast: float) -> str | None:
    """Work must stand out of what the samples vary by within the phases."""
    deviations = []
    for begin, end in (phases.measured, *phases.idle):
        watts = trace.watts[(trace.times >= begin + shift) & (trace.times <= end + shift)]
        if watts.size < 3:
            return "the recording has too few samples of the run"
        deviations.append(float(watts.std(ddof=1)))
    if contrast <= 0 or contrast < LEAST_CONTRAST * max(deviations):
        return (
            f"work stands out of rest by {contrast:.3g} W, and samples vary by {max(deviations):.3g} W on "
            "their own: where the run lies in the recording is not clear; give the offset"
        )
    return None


def _mean_at(trace: Trace, shifts: Floats, spans: Sequence[tuple[float, float]]) -> Floats:
    """Mean power over `spans` moved by each of `shifts`, by the trapezoid's running integral."""
    steps = np.diff(trace.times) * (trace.watts[1:] + trace.watts[:-1]) / 2
    running = np.concatenate([[0.0], np.cumsum(steps)])
    total = sum(
        np.interp(end + shifts, trace.times, running) - np.interp(begin + shifts, trace.times, running)
        for begin, end in spans
    )
    mean: Floats = np.asarray(total) / sum(end - begin for begin, end in spans)
    return mean


def _seconds(text: str, scale: float, delimiter: str) -> float:
    try:
        return _number(text, delimiter) * scale
    except ValueError:
        return datetime.datetime.fromisoformat(text).timestamp()


def _number(text: str, delimiter: str) -> float:
    number = float(text.replace(",", ".") if delimiter == ";" else text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _why_partial(run: Run, site: str) -> str | None:
    """A meter at the battery sees only a part of what a device draws that USB or a charger feeds, too."""
    if site != "battery":
        return None
    readings = [*run.conditions.before.items(), *run.conditions.after.items()]
    fed = sorted(
        {name for name, reading in readings if name in ("usb", "charger") and reading.value == "online"}
    )
    if not fed:
        return None
    return f"{' and '.join(fed)} power was connected: the battery gave only a part of what the device drew"


def _cut(trace: Trace, phases: Phases) -> Trace:
    """What the meter saw of the run, with one sample on either side."""
    spans = (phases.measured, *phases.idle)
    begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
    first = max(0, int(np.searchsorted(trace.times, begin)) - 1)
    last = int(np.searchsorted(trace.times, end, side="right")) + 1
    return Trace(trace.times[first:last], trace.watts[first:last])


def _series_of(
    recording: Recording, trace: Trace, found: Energy, phases: Phases, run: Run
) -> tuple[Series, Series]:
    own = "its own uncertainty is not known"
    if recording.uncertainty is not None:
        own = f"its own uncertainty of {recording.uncertainty:.2%} is in no interval"
    source = f"{recording.name} ({recording.site}): recording of a bench meter; {own}"
    work = run.find_series("inference", "sampled") or run.find_series("latency")
    starts = work.times if work is not None and work.times else ()
    rest = 0.0 if isinstance(found.idle, Missing) else found.idle.value
    joules, begins = window_energies(trace, starts, phases.measured[1], rest)
    kind: EnergyKind = "gross" if isinstance(found.net, Missing) else "net"
    return (
        Series(
            name="power",
            unit="W",
            phase="sampled",
            values=tuple(map(float, trace.watts)),
            times=tuple(map(float, trace.times)),
            source=source,
        ),
        Series(
            name="energy",
            unit="J",
            phase="measured",
            values=tuple(map(float, joules)),
            times=tuple(map(float, begins)),
            source=describe_energy(source, kind, joules.size),
        ),
    )


def _tell(recording: Recording, offset: Offset, run: Run) -> RunWarning:
    return RunWarning(
        code="meter",
        message=f"power at the {recording.site} was recorded by {recording.name} on a clock of its own; "
        f"{offset.seconds:+.3f} s make it the device's, {offset.how}",
        facts={"offset": offset.seconds, "run": run.id, "meter": recording.name, "site": recording.site},
    )
