"""What the rows of a traced inference are: kernels of layers, of borders, or what is spent around kernels."""

from collections.abc import Sequence

from edgeq.results.records import Operator

# Names of XNNPACK's kernels that hold a layer's weights.
WEIGHTED = ("Convolution", "Deconvolution", "Fully Connected")

# Why a kernel at the border of a delegate has no module.
BORDER = "ExecuTorch adds it where a delegate needs another layout or type"


def is_kernel(row: Operator) -> bool:
    """Whether a row is a kernel, and not what the runtime and the delegates spend around them."""
    return row.precision != "none"


def weighted_modules(rows: Sequence[Operator]) -> frozenset[str]:
    """The modules of the kernels that hold weights."""
    return frozenset(row.module for row in rows if row.module is not None and row.name in WEIGHTED)


def tell_unassigned(rows: Sequence[Operator]) -> dict[str, int]:
    """How many kernels have no module, by the reason; those at borders have none by their nature."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.unassigned and row.unassigned != BORDER:
            counts[row.unassigned] = counts.get(row.unassigned, 0) + 1
    return counts
