"""Latency: how many inferences a clock needs, and the raw series of what the runner timed."""

from typing import Literal

from edgeq.results.records import Agreement, Clock, Series, Spec, Steadiness, Unit
from edgeq.runner.job import Result

Phase = Literal["warmup", "measured"]

# An instruction clock repeats to about 0.03 %: two inferences within 0.1 % of each other say it all. Page
# faults fall into the first inference, which is a series of its own, so no more warm-up is needed. Each
# inference costs seconds of emulation, FP32 above all: few are run. Small networks run for 5 M instructions
# at least, so that a timer interrupt in one inference does not weigh.
_INSTRUCTIONS = Spec(
    threads=1,
    cpus=(),
    warmup=0,
    iterations=(2, 300),
    seconds=(0.005, 120.0),
    agreement=Agreement(window=2, spread=0.001),
    passes=("latency", "outputs", "operators"),
)
# Without a clock nothing is timed: the one measured inference shows the memory that a second one takes.
_NO_CLOCK = Spec(
    threads=1,
    cpus=(),
    warmup=0,
    iterations=(1, 1),
    seconds=(0.0, 120.0),
    agreement=None,
    passes=("latency", "outputs", "operators"),
)
# Clocks, caches and thread pools of a real device settle in a while that nobody knows beforehand.
_WALL = Spec(
    threads=1,
    cpus=(),
    warmup=10,
    warmup_seconds=(0.0, 20.0),
    steady=Steadiness(window=10, spread=0.02),
    iterations=(50, 1000),
    seconds=(1.0, 10.0),
    agreement=None,
    passes=("latency", "outputs", "operators"),
)


def default_spec(clock: Clock) -> Spec:
    """The run policy of a clock; callers replace what the user chose."""
    return {"instructions": _INSTRUCTIONS, "wall": _WALL, "none": _NO_CLOCK}[clock]


def ticks_to_unit(clock: Clock) -> tuple[float, Unit]:
    """Factor and unit of one nanosecond tick: a guest instruction under `-icount shift=0`, else 1e-9 s.

    Raises:
        ValueError: the clock counts nothing.
    """
    if clock == "none":
        raise ValueError("there is no unit for ticks of no clock")
    return (1.0, "insn") if clock == "instructions" else (1e-9, "s")


def series_source(clock: Clock) -> str:
    """Where the times of a runner come from."""
    return "guest CLOCK_MONOTONIC under QEMU -icount" if clock == "instructions" else "CLOCK_MONOTONIC"


def latency_series(result: Result, clock: Clock) -> tuple[Series, ...]:
    """`load`, `init`, `first`, `empty`, warm-up and measured `latency` of a latency pass, every raw value.

    `empty` is what the runner itself adds to each time: a call that does nothing, timed in the same way.
    There is none of it where there is no clock.
    """
    times = result.times
    if times is None or clock == "none":
        return ()
    factor, unit = ticks_to_unit(clock)
    source = series_source(clock)

    def series(
        name: str, phase: Phase, ticks: tuple[int, ...], starts: tuple[int, ...] | None = None
    ) -> Series:
        return Series(
            name=name,
            unit=unit,
            phase=phase,
            values=tuple(tick * factor for tick in ticks),
            times=None if starts is None else tuple(tick * factor for tick in starts),
            source=source,
        )

    return (
        series("load", "measured", (times.load,)),
        series("init", "measured", (times.init,)),
        series("first", "measured", (times.first,)),
        *((series("empty", "measured", times.empty),) if times.empty else ()),
        series("latency", "warmup", times.warmup),
        series("latency", "measured", times.measured, times.starts),
    )
