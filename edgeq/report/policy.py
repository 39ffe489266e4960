"""How a run was made, in words: warm-up, length, rule to stop, pace."""

from edgeq.results.records import Spec
from edgeq.units import format_quantity


def describe_policy(spec: Spec) -> str:
    """The run policy as one sentence without its full stop."""
    cores = f", pinned to {', '.join(map(str, spec.cpus))}" if spec.cpus else ""
    parts = [f"{_count(spec.threads, 'thread')}{cores}", _describe_warmup(spec), _describe_length(spec)]
    if spec.rate is not None:
        parts.append(f"{spec.rate:g} requests a second")
    if spec.in_app:
        parts.append("inside of an app")
    if spec.pause:
        parts.append(f"{format_quantity(spec.pause, 's')} of rest between two")
    return ", ".join(parts)


def _describe_warmup(spec: Spec) -> str:
    least, most = spec.warmup_seconds
    text = f"warm-up of {_count(spec.warmup, 'inference')}"
    if least:
        text += f" and {format_quantity(least, 's')}"
    if spec.steady is not None:
        text += (
            f" and until two windows of {spec.steady.window} have medians within {spec.steady.spread:.0%}"
            f" ({format_quantity(most, 's')} at most)"
        )
    return text


def _describe_length(spec: Spec) -> str:
    least, most = spec.seconds
    if least == most:
        return f"measured for {format_quantity(least, 's')}"
    fewest, highest = spec.iterations
    text = f"{fewest} measured" if fewest == highest else f"{fewest} to {highest} measured"
    if spec.agreement is not None:
        text += f", stopped once {spec.agreement.window} agree within {spec.agreement.spread:.1%}"
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
