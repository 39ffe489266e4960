"""What a warm-up that did not end as it should says about the numbers behind it."""

from edgeq.results.records import RunWarning
from edgeq.runner.job import Job, Result


def find_warmup_warnings(result: Result, job: Job) -> tuple[RunWarning, ...]:
    """A warning when the warm-up of a latency pass ran out of time before it was steady, or done."""
    if result.times is None or result.warmup_stopped_by != "seconds":
        return ()
    inferences, most = len(result.times.warmup), job.warmup_seconds[1]
    facts: dict[str, str | int | float] = {"n": inferences, "seconds": most}
    if job.steady is None:
        return (
            RunWarning(
                code="warmup-cut-short",
                message=f"only {inferences} of at least {job.warmup} warm-up inferences fitted into "
                f"{most:g} s of the device's clock; what was measured may still be warming up",
                facts={**facts, "wanted": job.warmup},
            ),
        )
    rule = job.steady
    return (
        RunWarning(
            code="never-steady",
            message=f"the warm-up never got steady: after {inferences} inferences and {most:g} s "
            f"the medians of the last two windows of {rule.window} still differed by more than "
            f"{rule.spread:.1%}; what was measured is of a device that was still changing",
            facts={**facts, "window": rule.window, "spread": rule.spread},
        ),
    )
