"""Memory by part and stage, and a load without the page cache, from what the runner read in a pass."""

from edgeq.measure.latency import series_source, ticks_to_unit
from edgeq.results.records import Clock, Memory, Missing, Series
from edgeq.runner.job import Job, MemoryStage, Result

# Series that only the memory pass gives.
COLD = ("load.cold", "init.cold", "first.cold")
BY_STAGE = ("heap", "rss", "pss")

# Of the pages of a program's file. A cold load is one without them, a warm one with all.
_MOST_COLD, _LEAST_WARM = 0.01, 0.99

_QEMU_TOO = Missing(missing="under qemu-user the process is QEMU's, and its memory counts too")
_UNTOLD = Missing(missing="ExecuTorch's Java library does not tell the planned buffers")
_HIDDEN = Missing(missing="the kernel shows no /proc/self/status to the runner")
_NO_ROLLUP = Missing(missing="the kernel shows no /proc/self/smaps_rollup to the runner")
_NOT_READ = Missing(missing="only the memory pass reads it (`--measure memory`)")


def memory_job(latency: Job) -> Job:
    """The memory pass of the program of a latency pass."""
    return Job(
        kind="memory",
        program=latency.program,
        inputs=latency.inputs,
        method=latency.method,
        threads=latency.threads,
        cpus=latency.cpus,
        deadline=latency.deadline,
    )


def memory_parts(result: Result, program_bytes: int, clock: Clock) -> Memory:
    """The memory record of a latency or memory pass; see `Memory` for what each part is."""
    stages = {stage.stage: stage for stage in result.memory}

    def not_reached(stage: str) -> Missing:
        return Missing(missing=f"the runner did not reach the stage {stage!r}")

    def resident(value: int | None) -> int | Missing:
        if clock == "none":
            return _QEMU_TOO
        return _HIDDEN if value is None else value

    start, initialized, done = (stages.get(name) for name in ("start", "initialized", "done"))
    return Memory(
        program=program_bytes,
        arena=_UNTOLD if result.arenas is None else sum(result.arenas),
        heap_start=start.heap if start else not_reached("start"),
        heap_loaded=initialized.heap if initialized else not_reached("initialized"),
        heap_peak=max(stage.heap for stage in result.memory) if result.memory else not_reached("start"),
        rss_start=resident(start.rss) if start else not_reached("start"),
        rss_peak=resident(done.hwm) if done else not_reached("done"),
        pss_peak=_most_proportional(result, clock),
    )


def memory_series(result: Result, clock: Clock) -> tuple[tuple[Series, ...], dict[str, str]]:
    """What a memory pass gives by stage and of a cold load, and why what is not there is not."""
    found: list[Series] = []
    gaps: dict[str, str] = {}
    for name in BY_STAGE:
        values = _by_stage(result.memory, name, clock)
        if isinstance(values, Missing):
            gaps[name] = values.missing
        else:
            stages = ", ".join(stage.stage for stage in result.memory)
            found.append(
                Series(
                    name=name, unit="B", phase="sampled", values=values, source=f"after the stages {stages}"
                )
            )
    if reason := _why_not_cold(result, clock):
        return tuple(found), gaps | dict.fromkeys(COLD, reason)
    return (*found, *_cold_series(result, clock)), gaps


def is_warm(result: Result) -> bool:
    """Whether the program's file lay in the page cache when it was opened; unknown counts as yes."""
    return result.cached is None or result.cached >= _LEAST_WARM


def _most_proportional(result: Result, clock: Clock) -> int | Missing:
    if clock == "none":
        return _QEMU_TOO
    if result.kind != "memory":
        return _NOT_READ
    values = [stage.pss for stage in result.memory if stage.pss is not None]
    return max(values) if values else _NO_ROLLUP


def _by_stage(stages: tuple[MemoryStage, ...], name: str, clock: Clock) -> tuple[float, ...] | Missing:
    if not stages:
        return Missing(missing="the runner did not reach the stage 'start'")
    if name != "heap" and clock == "none":
        return _QEMU_TOO
    values = [getattr(stage, name) for stage in stages]
    if any(value is None for value in values):
        return _HIDDEN if name == "rss" else _NO_ROLLUP
    return tuple(float(value) for value in values)


def _why_not_cold(result: Result, clock: Clock) -> str | None:
    if clock == "none":
        return "qemu-user has no clock: how long something takes there says nothing about a device"
    if result.times is None:
        return "the runner did not reach the end of the memory pass"
    if result.app is not None:
        return "an app cannot take a file out of the page cache"
    if result.cached is None:
        return "the kernel does not tell what of the program lies in the page cache"
    if result.cached > _MOST_COLD:
        return (
            f"the kernel kept {result.cached:.0%} of the program's pages when it was asked to drop them; "
            "a file system in memory has no other place for them"
        )
    return None


def _cold_series(result: Result, clock: Clock) -> tuple[Series, ...]:
    times = result.times
    assert times is not None  # noqa: S101 - `_why_not_cold` has looked
    factor, unit = ticks_to_unit(clock)
    source = f"{series_source(clock)}; no page of the program's file lay in the page cache before (mincore)"
    ticks = (times.load, times.init, times.first)
    return tuple(
        Series(name=name, unit=unit, phase="measured", values=(tick * factor,), source=source)
        for name, tick in zip(COLD, ticks, strict=True)
    )
