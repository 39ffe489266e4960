"""The kernels of a delegate, read from what XNNPACK's backend serialized for it.

ExecuTorch rewrites a delegate's graph while it serializes it: a clamp goes into the convolution before it,
quantize and dequantize into the types, and transposes come at the borders. So the kernels are not the graph's
nodes; each has the debug handle of the node that it computes.

The payload starts with a header of 30 bytes (`XNNHeader.h`): four of them unused, `XH00`, its length, offset
and length of the FlatBuffer (`schema.fbs` of executorch's XNNPACK backend, which names the kinds of kernels).
"""

import functools
import re
import struct
from importlib import resources

from edgeq.errors import ExportError
from edgeq.flatbuffer import DAMAGED, UINT8, UINT32, child, children, root_of, scalar

_HEADER = struct.Struct("<4x4sHII")
_MAGIC = b"XH00"
_UNION = re.compile(r"union XNodeUnion \{(.*?)\}", re.DOTALL)
# What ExecuTorch writes for a kernel that no node of the graph stands for.
_NO_HANDLE = 65535


def list_kernels(payload: bytes) -> list[tuple[str, int | None]]:
    """Kind (`Conv2d`) and debug handle of each kernel of a delegate, in order of definition.

    Raises:
        ExportError: the payload is not laid out as that of this release of ExecuTorch.
    """
    try:
        magic, _, offset, length = _HEADER.unpack_from(payload)
        if magic != _MAGIC:
            raise ValueError(f"it starts with {payload[:8]!r}")
        kinds = _kinds()
        nodes = children(root_of(payload[offset : offset + length]), 1)
        found = [(kinds[scalar(node, 0, UINT8, 0) - 1], scalar(node, 2, UINT32, 0)) for node in nodes]
        if any(child(node, 1) is None for node in nodes):
            raise ValueError("a kernel without parameters")
    except DAMAGED as error:
        raise ExportError(
            f"cannot read what ExecuTorch serialized for XNNPACK: {error}",
            hint="edgeq knows the layout of ExecuTorch 1.5; use that",
        ) from error
    return [(kind, None if handle == _NO_HANDLE else handle) for kind, handle in found]


@functools.cache
def _kinds() -> tuple[str, ...]:
    """The members of the schema's union, without the prefix; the number of the first one is 1."""
    schema = resources.files("executorch.backends.xnnpack.serialization").joinpath("schema.fbs")
    union = _UNION.search(schema.read_text())
    if union is None:
        raise ValueError("no XNodeUnion in schema.fbs")
    return tuple(
        member.partition(":")[0].strip().removeprefix("XNN")
        for member in union[1].split(",")
        if member.strip()
    )
