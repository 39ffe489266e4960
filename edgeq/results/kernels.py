"""What the rows of a traced inference are: kernels of a module, added kernels, or what is around kernels."""

from collections.abc import Sequence

from edgeq.results.records import Operator

# Names of XNNPACK's kernels that hold a layer's weights.
WEIGHTED = ("Convolution", "Deconvolution", "Fully Connected")

# Why a kernel that no node of the graph stands for has no module.
ADDED = "ExecuTorch adds it, to change a layout or type or to join many tensors in steps"


def is_kernel(row: Operator) -> bool:
    """Whether a row is a kernel, and not what the runtime and the delegates spend around them."""
    return row.precision != "none"


def weighted_modules(rows: Sequence[Operator]) -> frozenset[str]:
    """The modules of the kernels that hold weights."""
    return frozenset(row.module for row in rows if row.module is not None and row.name in WEIGHTED)


def tell_unassigned(rows: Sequence[Operator]) -> dict[str, int]:
    """How many kernels have no module, by the reason; those that ExecuTorch adds have none."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.unassigned and row.unassigned != ADDED:
            counts[row.unassigned] = counts.get(row.unassigned, 0) + 1
    return counts
