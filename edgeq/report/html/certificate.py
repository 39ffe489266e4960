"""What a number rests on: which program, made with what, run how, on what, checked against what."""

from collections.abc import Callable, Sequence

from edgeq.report.delegation import tell_nodes
from edgeq.report.html.verdict import label_runs
from edgeq.report.policy import describe_policy
from edgeq.report.section import Section
from edgeq.results.records import Run
from edgeq.units import format_quantity


def certify(runs: Sequence[Run]) -> Section:
    """The certificate of one artifact's runs, one column a run."""
    rows = tuple((name, *(tell(run) for run in runs)) for name, tell in _FACTS)
    return Section("Certificate", (), ("fact", *label_runs(runs)), rows)


def _device(tell: Callable[[Run], str]) -> Callable[[Run], str]:
    return lambda run: "not reached" if run.device is None else tell(run)


def _kind(run: Run) -> str:
    assert run.device is not None  # noqa: S101 # `_device` has looked
    clock = {"instructions": "instruction clock", "wall": "wall clock", "none": "no clock"}[run.device.clock]
    return f"{run.device.kind}, {clock}"


def _source(run: Run) -> str:
    series = run.find_series("latency")
    return "not measured" if series is None else f"{len(series.values)} values, {series.source}"


def _outputs(run: Run) -> str:
    check = run.outputs
    if check is None or check.missing is not None:
        return f"not compared{'' if check is None else f': {check.missing}'}"
    sqnr = "equal to the bit" if check.sqnr_db is None else f"SQNR {check.sqnr_db:.1f} dB"
    return f"{'within' if check.within else 'OUTSIDE'} the bound ({check.bound}): {sqnr}"


_FACTS: tuple[tuple[str, Callable[[Run], str]], ...] = (
    ("run", lambda run: run.id),
    ("measured at", lambda run: run.created),
    ("status", lambda run: "; ".join((run.standing, *run.invalid))),
    ("program, SHA-256", lambda run: run.artifact.sha256),
    ("program file", lambda run: format_quantity(run.artifact.bytes, "B")),
    ("ExecuTorch", lambda run: run.artifact.executorch or "unknown: made elsewhere"),
    ("PyTorch", lambda run: run.artifact.torch or "unknown: made elsewhere"),
    ("delegated, by nodes", lambda run: tell_nodes(run.artifact.delegation)),
    ("device", _device(lambda run: run.device.profile if run.device else "")),
    ("device is", _device(_kind)),
    ("core", _device(lambda run: f"{run.device.cpu}, {run.device.arch}" if run.device else "")),
    ("run with", lambda run: describe_policy(run.spec)),
    ("passes", lambda run: ", ".join(run.spec.passes)),
    ("clock", _source),
    ("outputs", _outputs),
)
