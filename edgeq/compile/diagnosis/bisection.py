"""How many layers to leave in FP32 next: the count doubles until it is enough, then halves the gap."""

from collections.abc import Mapping


def next_counts(known: Mapping[int, bool], total: int, ahead: int = 1) -> list[int]:
    """The counts to try next, from 1 to `total`; none when the least one that is enough is known.

    `known` says of each count that was tried whether it was enough. A count below one that was not enough is
    never asked for, since leaving more layers out is expected to help. 0 is not enough unless `known` says
    so. While the count still doubles, `ahead` counts are asked for at once.
    """
    if total == 0:
        return []
    enough = min((count for count, is_enough in known.items() if is_enough), default=None)
    failed = [count for count, is_enough in known.items() if not is_enough]
    if enough is None:
        first = max(1, 2 * max(failed, default=0))
        return sorted({min(total, first * 2**step) for step in range(ahead)} - set(known))
    least = max((count for count in failed if count < enough), default=0)
    return [(least + enough) // 2] if enough - least > 1 else []
