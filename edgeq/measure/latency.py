"""Latency: how many inferences a clock needs, and the raw series of what the runner timed."""

from typing import Literal

from edgeq.results.records import Agreement, Series, Spec, Unit
from edgeq.runner.job import Result

Clock = Literal["wall", "instructions"]
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
_WALL = Spec(
    threads=1,
    cpus=(),
    warmup=10,
    iterations=(50, 1000),
    seconds=(1.0, 10.0),
    agreement=None,
    passes=("latency", "outputs", "operators"),
)


def default_spec(clock: Clock) -> Spec:
    """The run policy of a clock; callers replace what the user chose."""
    return _INSTRUCTIONS if clock == "instructions" else _WALL


def ticks_to_unit(clock: Clock) -> tuple[float, Unit]:
    """Factor and unit of one nanosecond tick: a guest instruction under `-icount shift=0`, else 1e-9 s."""
    return (1.0, "insn") if clock == "instructions" else (1e-9, "s")


def latency_series(result: Result, clock: Clock) -> tuple[Series, ...]:
    """`load`, `init`, `first`, warm-up and measured `latency` of a latency pass, every raw value kept."""
    times = result.times
    if times is None:
        return ()
    factor, unit = ticks_to_unit(clock)
    source = "guest CLOCK_MONOTONIC under QEMU -icount" if clock == "instructions" else "CLOCK_MONOTONIC"

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
        series("latency", "warmup", times.warmup),
        series("latency", "measured", times.measured, times.starts),
    )
