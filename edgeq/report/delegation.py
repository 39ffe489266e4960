"""What of a program runs in the delegate, in words and tables."""

from collections.abc import Sequence

from edgeq.report.section import Section
from edgeq.results.delegation import format_share, share_of_cost, share_of_macs, share_of_nodes
from edgeq.results.records import Delegation, Missing, Run

_ELSEWHERE = "unknown: made elsewhere"


def tell_nodes(delegation: Delegation | None) -> str:
    """E.g. `46 of 47 (97.9%)`."""
    if delegation is None:
        return _ELSEWHERE
    return f"{delegation.delegated} of {delegation.total} ({format_share(share_of_nodes(delegation))})"


def tell_macs(delegation: Delegation | None) -> str:
    """E.g. `487,168 of 487,168 (100%)`."""
    if delegation is None:
        return _ELSEWHERE
    share = share_of_macs(delegation)
    if isinstance(share, Missing) or delegation.macs is None:
        return f"not known: {share.missing}" if isinstance(share, Missing) else ""
    inside, total = delegation.macs
    return f"{inside:,} of {total:,} ({format_share(share)})"


def tell_cost(run: Run) -> str:
    """The share of what the kernels of the traced inference cost."""
    share = share_of_cost(run)
    return f"not measured: {share.missing}" if isinstance(share, Missing) else format_share(share)


def left_out(runs: Sequence[Run]) -> list[Section]:
    """Operators that the delegate did not take, why, and what would change that, for each run with some."""
    sections = []
    for run in runs:
        delegation = run.artifact.delegation
        if delegation is not None and delegation.left_out:
            label = f"{run.artifact.name}.{run.artifact.recipe}"
            sections.append(left_out_section(label, delegation))
    return sections


def left_out_section(label: str, delegation: Delegation) -> Section:
    """The table of what was left out of the delegate of one program."""
    rows = tuple(
        (
            left.op,
            str(left.count),
            ", ".join(filter(None, left.modules)),
            left.reason,
            left.remedy or "none known",
        )
        for left in delegation.left_out
    )
    header = ("operator", "nodes", "module", "why", "remedy")
    return Section(f"{label}: operators left out of the delegate", (), header, rows)
