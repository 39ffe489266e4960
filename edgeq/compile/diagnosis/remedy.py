"""Which layers to leave in FP32: so many, or the fewest that reach an SQNR, the worst first."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from edgeq.compile.diagnosis.bisection import next_counts
from edgeq.compile.diagnosis.sensitivity import LayerSensitivity, Sensitivity, list_shares
from edgeq.compile.diagnosis.study import Study, judge, simulate
from edgeq.results.diagnosis.document import Remedy, Trial
from edgeq.results.records import Missing

# Without a wish, layers are left out that gain so much each, and so many at most.
LEAST_GAIN_DB = 1.0
MOST_LAYERS = 3


@dataclass(frozen=True)
class Wish:
    """What leaving layers out is to reach: an SQNR of the outputs, or a number of layers; or neither."""

    target_db: float | None = None
    worst: int | None = None


def find_remedy(
    study: Study,
    found: Sensitivity,
    wish: Wish,
    *,
    evaluate: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> Remedy | Missing:
    """Leave the worst layers of `found` out, as many as `wish` says, and try the result.

    Layers are taken in the order of `found`, the worst first. For an SQNR their number is doubled until it is
    reached and then bisected: each number is tried, none is predicted.
    """
    trials: dict[int, Trial] = {}

    def attempt(count: int) -> Trial:
        if count not in trials:
            overrides = [layer.override for layer in found.layers[:count]]
            trials[count] = judge(study, simulate(study, overrides), evaluate=evaluate)
            announce(f"the {count} worst left in fp32: {trials[count].sqnr_db:.1f} dB")
        return trials[count]

    count = _choose(found, wish, lambda count: attempt(count).sqnr_db)
    if isinstance(count, Missing):
        return count
    chosen = found.layers[:count]
    return Remedy(
        layers=tuple(name_of(layer) for layer in chosen),
        overrides=tuple(msgspec.to_builtins(layer.override) for layer in chosen),
        share=sum(list_shares(study, [layer.override for layer in chosen])),
        trial=attempt(count),
        target_db=wish.target_db,
    )


def name_of(layer: LayerSensitivity) -> str:
    """The module; for operators of the root, which have none, their kind."""
    return layer.module or f"every {layer.kind}"


def _choose(found: Sensitivity, wish: Wish, sqnr_db: Callable[[int], float]) -> int | Missing:
    if wish.worst is not None:
        if wish.worst >= len(found.layers):
            return Missing(missing=f"there are {len(found.layers)} layers: without all of them it is fp32")
        return wish.worst
    if wish.target_db is None:
        gains = [found.gain_db(layer) for layer in found.layers[:MOST_LAYERS]]
        count = sum(gain is not None and gain >= LEAST_GAIN_DB for gain in gains)
        if count == len(found.layers):
            return Missing(missing="every layer loses; without all of them it is fp32")
        tried = any(gain is not None for gain in gains)
        why = f"no layer gains {LEAST_GAIN_DB:g} dB by being left out" if tried else "no layer was left out"
        return count or Missing(missing=why)
    if found.whole.sqnr_db >= wish.target_db:
        return Missing(missing=f"{found.recipe} reaches {wish.target_db:g} dB as it is")
    most = len(found.layers) - 1
    return _fewest(most, lambda count: sqnr_db(count) >= (wish.target_db or 0.0)) or Missing(
        missing=f"not reached by leaving out {most} of {most + 1} layers: only fp32 reaches "
        f"{wish.target_db:g} dB"
    )


def _fewest(most: int, reaches: Callable[[int], bool]) -> int | None:
    """The least count up to `most` that reaches it, if more layers never do worse; None without any."""
    known: dict[int, bool] = {}
    while wanted := next_counts(known, most):
        known |= {count: reaches(count) for count in wanted}
    return min((count for count, is_enough in known.items() if is_enough), default=None)
