"""What no other choice beats in everything: the Pareto front of any number of costs."""

from collections.abc import Sequence
from typing import Any

# What a choice costs in each respect, lower is better: numbers, or tuples that are compared like one.
Costs = tuple[Any, ...]


def dominates(one: Costs, other: Costs) -> bool:
    """Whether `one` costs no more than `other` in any respect, and less in one."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def find_front(choices: Sequence[Costs]) -> list[int]:
    """The places of the choices that none dominates, in order; of equal ones the first."""
    front = []
    for place, costs in enumerate(choices):
        beaten = any(dominates(other, costs) for other in choices)
        if not beaten and costs not in choices[:place]:
            front.append(place)
    return front
