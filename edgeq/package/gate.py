"""What ships is what was measured: which Runs an artifact rests on, and what is missing or failed.

A measurement belongs to an artifact when it ran the very same program (SHA-256). On each device, and for each
way to run there (`Place`), the newest run with an output check decides. Accuracy is judged like `edgeq
compare` does: a metric of the program may be worse than that of the model by the limit of that gate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from edgeq.artifact import Artifact
from edgeq.errors import GateFailed, InputError
from edgeq.results.drop import find_lost, is_within
from edgeq.results.limits import find_gate
from edgeq.results.records import Accuracy, Metrics, Run


class Place(NamedTuple):
    """Where and how a program was run, as far as one device is concerned: other places, other numbers."""

    profile: str
    threads: int
    cpus: tuple[int, ...]
    in_app: bool


@dataclass(frozen=True)
class Evidence:
    """The runs that speak for one artifact, oldest first, and what does not.

    `missing` and `failed` are sentences for people.
    """

    runs: tuple[Run, ...]
    missing: tuple[str, ...]
    failed: tuple[str, ...]


def weigh_runs(artifact: Artifact, runs: Iterable[Run]) -> Evidence:
    """What `runs` (of anything) say about `artifact`."""
    newest: dict[Place, Run] = {}
    for run in sorted(runs, key=_order):
        place = place_of(run)
        if run.artifact.sha256 == artifact.info.sha256 and place is not None and _is_checked(run):
            newest[place] = run
    kept = tuple(sorted(newest.values(), key=_order))
    label = artifact.label
    missing, failed = _judge_accuracy(label, artifact.info.accuracy, "host")
    for run in kept:
        failed += _judge_run(label, run)
    if not kept:
        missing.append(f"{label}: no run of this program with an output check is known")
    return Evidence(kept, tuple(missing), tuple(failed))


def require(evidence: Sequence[Evidence], *, allow_unmeasured: bool, allow_failed: bool) -> tuple[str, ...]:
    """Refuse what is not measured or failed its check, unless allowed.

    Returns:
        what was let through, as sentences.

    Raises:
        GateFailed: a check failed or is missing, and it was not allowed.
    """
    missing = [text for each in evidence for text in each.missing]
    failed = [text for each in evidence for text in each.failed]
    if failed and not allow_failed:
        raise GateFailed("; ".join(failed), hint="fix it and measure again, or say --allow-failed")
    if missing and not allow_unmeasured:
        raise GateFailed(
            "; ".join(missing),
            hint="measure it with `edgeq bench` (or name --report FILE), or say --allow-unmeasured",
        )
    return tuple(failed + missing)


def place_of(run: Run) -> Place | None:
    """Where `run` was made; None when it reached no device."""
    if run.device is None:
        return None
    return Place(run.device.profile, run.spec.threads, tuple(sorted(run.spec.cpus)), run.spec.in_app)


def device_name(run: Run) -> str:
    """The device of a run that reached one, with the word *emulated* where it applies, and how it ran."""
    assert run.device is not None  # noqa: S101 - weigh_runs keeps no other
    emulated = ", emulated" if run.device.kind == "emulated" else ""
    threads = f", {run.spec.threads} threads" if run.spec.threads > 1 else ""
    return f"{run.device.profile}{emulated}{threads}{name_way(run)}"


def name_way(run: Run) -> str:
    """The cores that a run was pinned to and the app that it ran in, each after a comma."""
    cores = f", cores {' '.join(map(str, sorted(run.spec.cpus)))}" if run.spec.cpus else ""
    return cores + (", in an app" if run.spec.in_app else "")


def _is_checked(run: Run) -> bool:
    return run.outputs is not None and run.outputs.within is not None


def _judge_run(label: str, run: Run) -> list[str]:
    failed = []
    check = run.outputs
    if check is not None and not check.within:
        failed.append(
            f"{label} on {device_name(run)}: outputs differ from the reference (needed: {check.bound})"
        )
    if run.status == "failed" and run.error is not None and not failed:
        failed.append(f"{label} on {device_name(run)}: the run failed at {run.error.stage}")
    accuracy = run.artifact.accuracy
    if "missing" not in accuracy.device:
        failed += _drops(f"{label} on {device_name(run)}", accuracy.eager, accuracy.device)
    return failed


def _judge_accuracy(label: str, accuracy: Accuracy, rung: str) -> tuple[list[str], list[str]]:
    metrics: Metrics = getattr(accuracy, rung)
    if "missing" in metrics:
        return [f"{label}: accuracy was not measured: {metrics['missing']}"], []
    return [], _drops(label, accuracy.eager, metrics)


def _drops(label: str, eager: Metrics, metrics: Metrics) -> list[str]:
    limit = find_gate("accuracy").exact
    assert limit is not None  # noqa: S101 - a row of the table
    found = []
    for name, base in eager.items():
        value = metrics.get(name)
        if not isinstance(base, int | float) or not isinstance(value, int | float):
            continue
        if not is_within(find_lost(name, base, value), base, limit.slack(base)):
            found.append(f"{label}: {name} is {value:.4f} and the model has {base:.4f}")
    return found


def _order(run: Run) -> tuple[datetime, str]:
    """By age. Times are whole seconds; the id decides between equal ones, wherever the runs come from."""
    return _moment(run), run.id


def _moment(run: Run) -> datetime:
    try:
        moment = datetime.fromisoformat(run.created)
    except ValueError as error:
        raise InputError(f"run {run.id}: created {run.created!r} is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
