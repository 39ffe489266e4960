"""How much of a program runs in the delegate: by nodes, multiply-accumulates and time; and a gate on it."""

from edgeq.errors import GateFailed, InputError
from edgeq.results.kernels import is_kernel
from edgeq.results.records import Delegation, LeftOut, Missing, Run

_OLDER = Missing(missing="the artifact was made by an older edgeq; export it again")
_NO_PRODUCTS = Missing(missing="nothing in the program multiplies and adds up")


def share_of_nodes(delegation: Delegation) -> float:
    """Of the calls in the lowered graph; 1 when there are none."""
    return delegation.delegated / delegation.total if delegation.total else 1.0


def share_of_macs(delegation: Delegation) -> float | Missing:
    """Of the multiply-accumulates of one inference."""
    if delegation.macs is None:
        return _OLDER
    inside, total = delegation.macs
    return inside / total if total else _NO_PRODUCTS


def share_of_cost(run: Run) -> float | Missing:
    """Of what all kernels of a traced inference cost, in time or instructions.

    What the runtime and the delegates spend around their kernels is on neither side.
    """
    if isinstance(run.operators, Missing):
        return run.operators
    kernels = [row for row in run.operators if is_kernel(row)]
    total = sum(row.total for row in kernels)
    if not total:
        return Missing(missing="no kernel was traced" if not kernels else "less than the step of the clock")
    return sum(row.total for row in kernels if row.delegated) / total


def tell_left_out(left: LeftOut) -> str:
    """One kind of operators outside the delegate: how many, where, why, and what would change that."""
    modules = [module for module in left.modules if module]
    where = f" in {', '.join(modules)}" if modules else ""
    remedy = f". Remedy: {left.remedy}" if left.remedy else ""
    return f"{left.count} x {left.op}{where}: {left.reason}{remedy}"


def require_delegation(label: str, delegation: Delegation | None, least: float) -> None:
    """Check that the shares by nodes and by multiply-accumulates both reach `least`, from 0 to 1.

    Raises:
        GateFailed: one does not; what was left out is named.
        InputError: they are not known.
    """
    if delegation is None:
        raise InputError(f"{label} was made elsewhere: nothing tells what of it is delegated")
    macs = share_of_macs(delegation)
    if macs is _OLDER:
        raise InputError(
            f"{label} was made by an older edgeq, which did not count multiply-accumulates",
            hint="export it again",
        )
    nodes = share_of_nodes(delegation)
    reached = nodes if isinstance(macs, Missing) else min(nodes, macs)
    if reached >= least:
        return
    by_macs = "" if isinstance(macs, Missing) else f", by multiply-accumulates {format_share(macs)}"
    raise GateFailed(
        f"{label}: {format_share(least)} must be delegated; by nodes it is {format_share(nodes)}{by_macs}",
        hint="left out: " + "; ".join(map(tell_left_out, delegation.left_out)),
    )


def format_share(share: float) -> str:
    """In percent, to a tenth; what is short of all of it is never written as 100 %."""
    return "100%" if share == 1 else f"{min(share, 0.999):.1%}"
