"""What follows from the memory of a run by part."""

from edgeq.results.records import Memory, Missing


def packed_bytes(memory: Memory) -> int | Missing:
    """What loading took of the heap beside the planned buffers: packed weights, workspace, the method."""
    parts = (memory.heap_loaded, memory.heap_start, memory.arena)
    for part in parts:
        if isinstance(part, Missing):
            return part
    loaded, start, arena = (part for part in parts if isinstance(part, int))
    return loaded - start - arena
