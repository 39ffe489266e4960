"""Reads the memory plan of a program that was made ready to execute."""

from torch.fx import GraphModule

from edgeq.graph import MemoryPlan, Planned


def describe_plan(planned: GraphModule) -> MemoryPlan:
    """Arenas, and each planned tensor with its lifetime in steps: the nodes of the executed graph.

    A tensor under several names (a delegate's result and its unpacking) is there once, by its first name.
    """
    # Number 0 is for constants.
    sizes = list(planned.meta.get("non_const_buffer_sizes") or [0])[1:]
    found: dict[tuple[int, int, int, int, int], Planned] = {}
    for node in planned.graph.nodes:
        specs = node.meta.get("spec")
        for spec in specs if isinstance(specs, list | tuple) else [specs]:
            if spec is None or spec.const or spec.mem_id is None or spec.lifetime[0] is None:
                continue
            tensor = Planned(
                name=node.name,
                arena=spec.mem_id - 1,
                offset=int(spec.mem_offset),
                bytes=int(spec.allocated_memory),
                first=spec.lifetime[0],
                last=spec.lifetime[1],
            )
            key = (tensor.arena, tensor.offset, tensor.bytes, tensor.first, tensor.last)
            found.setdefault(key, tensor)
    return MemoryPlan(
        arenas=tuple(map(int, sizes)),
        steps=tuple(node.name for node in planned.graph.nodes),
        tensors=tuple(sorted(found.values(), key=lambda each: (each.first, each.arena, each.offset))),
    )
