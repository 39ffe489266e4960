"""Memory by part, from what the runner read at each stage of its latency pass."""

from edgeq.results.records import Memory, Missing
from edgeq.runner.job import Result

_HIDDEN = Missing(missing="the kernel shows no /proc/self/status to the runner")


def memory_parts(result: Result, program_bytes: int) -> Memory:
    """The memory record of a latency pass; see `Memory` for what each part is."""
    stages = {stage.stage: stage for stage in result.memory}

    def not_reached(stage: str) -> Missing:
        return Missing(missing=f"the runner did not reach the stage {stage!r}")

    start, initialized, done = (stages.get(name) for name in ("start", "initialized", "done"))
    return Memory(
        program=program_bytes,
        arena=sum(result.arenas),
        heap_loaded=initialized.heap if initialized else not_reached("initialized"),
        heap_peak=max(stage.heap for stage in result.memory) if result.memory else not_reached("start"),
        rss_start=_known(start.rss) if start else not_reached("start"),
        rss_peak=_known(done.hwm) if done else not_reached("done"),
    )


def _known(value: int | None) -> int | Missing:
    return _HIDDEN if value is None else value
