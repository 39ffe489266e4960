"""Memory by part, from what the runner read at each stage of its latency pass."""

from edgeq.results.records import Clock, Memory, Missing
from edgeq.runner.job import Result

_QEMU_TOO = Missing(missing="under qemu-user the process is QEMU's, and its memory counts too")
_UNTOLD = Missing(missing="ExecuTorch's Java library does not tell the planned buffers")
_HIDDEN = Missing(missing="the kernel shows no /proc/self/status to the runner")


def memory_parts(result: Result, program_bytes: int, clock: Clock) -> Memory:
    """The memory record of a latency pass; see `Memory` for what each part is."""
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
        heap_loaded=initialized.heap if initialized else not_reached("initialized"),
        heap_peak=max(stage.heap for stage in result.memory) if result.memory else not_reached("start"),
        rss_start=resident(start.rss) if start else not_reached("start"),
        rss_peak=resident(done.hwm) if done else not_reached("done"),
    )
