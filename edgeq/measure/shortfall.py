"""What a warm-up or a measured phase that ended before it should says about the numbers of a latency pass."""

from collections.abc import Sequence

from msgspec.structs import replace

from edgeq.results.records import RunWarning, Spec
from edgeq.runner.job import Result


def find_shortfalls(results: Sequence[Result], spec: Spec) -> list[RunWarning]:
    """Warnings of a latency pass, or of its rounds: one of each kind, of the round that got least."""
    warnings = []
    for find in (_find_short_warmup, _find_cut_short):
        found = [warning for result in results if (warning := find(result, spec)) is not None]
        if found:
            warnings.append(_tell_least(found, len(results)))
    return warnings


def _tell_least(found: Sequence[RunWarning], rounds: int) -> RunWarning:
    least = min(found, key=lambda warning: float(warning.facts["n"]))
    if rounds == 1:
        return least
    message = f"{least.message} (in the round that got least; {len(found)} of {rounds} rounds fell short)"
    return replace(least, message=message, facts={**least.facts, "rounds": len(found)})


def _find_short_warmup(result: Result, spec: Spec) -> RunWarning | None:
    """Of a warm-up that ran out of time before it was steady, or done."""
    if result.times is None or result.warmup_stopped_by != "seconds":
        return None
    inferences, most = len(result.times.warmup), spec.warmup_seconds[1]
    facts: dict[str, str | int | float] = {"n": inferences, "seconds": most}
    if spec.steady is None:
        return RunWarning(
            code="warmup-cut-short",
            message=f"only {inferences} of at least {spec.warmup} warm-up inferences fitted into "
            f"{most:g} s of the device's clock; what was measured may still be warming up",
            facts={**facts, "wanted": spec.warmup},
        )
    rule = spec.steady
    return RunWarning(
        code="never-steady",
        message=f"the warm-up never got steady: after {inferences} inferences and {most:g} s "
        f"the medians of the last two windows of {rule.window} still differed by more than "
        f"{rule.spread:.1%}; what was measured is of a device that was still changing",
        facts={**facts, "window": rule.window, "spread": rule.spread},
    )


def _find_cut_short(result: Result, spec: Spec) -> RunWarning | None:
    """Of a measured phase that ran out of time before it had the least inferences."""
    measured, least = len(result.times.measured) if result.times else 0, spec.iterations[0]
    if measured >= least:
        return None
    return RunWarning(
        code="cut-short",
        message=f"only {measured} of at least {least} inferences fitted into "
        f"{spec.seconds[1]:g} s of the device's clock",
        facts={"n": measured, "wanted": least},
    )
