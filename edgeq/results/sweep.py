"""Which of several settings of one artifact on one device to use, from rounds in which all of them ran.

Settings that cannot be told from the fastest are as good as it is; of these the one with fewest threads is
recommended, since it leaves cores to others and draws less power.
"""

from collections.abc import Sequence
from statistics import median

from edgeq.errors import InputError
from edgeq.results.paired import PairedVerdict, compare_paired, split_rounds
from edgeq.results.records import Record, Run, Unit


class Setting(Record, frozen=True, kw_only=True):
    """Threads, and the cores that they are pinned to; none for no pinning."""

    threads: int
    cpus: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As a person says it."""
        cores = f" on {format_cores(self.cpus)}" if self.cpus else ""
        return f"{self.threads} thread{'' if self.threads == 1 else 's'}{cores}"


class Place(Record, frozen=True, kw_only=True):
    """A setting with the typical latency of its rounds, and how it stands to the fastest one.

    `verdict` is of this setting beside the fastest; None for that one itself.
    """

    setting: Setting
    typical: float
    unit: Unit
    verdict: PairedVerdict | None = None


class Recommendation(Record, frozen=True, kw_only=True):
    """What to use.

    Attributes:
        setting: the one that is recommended.
        sure: whether every other setting was proven slower.
        reason: in a sentence.
        places: all settings, the fastest first.
    """

    setting: Setting
    sure: bool
    reason: str
    places: tuple[Place, ...]


def recommend(runs: Sequence[Run]) -> Recommendation:
    """Judge the runs of one artifact in one pairing, each with a setting of its own.

    Raises:
        InputError: fewer than two runs, or not of one artifact and one pairing.
    """
    if len(runs) < 2:
        raise InputError("a recommendation needs at least two settings that were measured")
    if len({run.artifact.sha256 for run in runs}) > 1:
        raise InputError("a recommendation is for one artifact, these runs are of several")
    ranked = sorted(runs, key=_typical)
    fastest = ranked[0]
    try:
        verdicts = [compare_paired(fastest, run) for run in ranked[1:]]
    except ValueError as error:
        raise InputError(f"these runs cannot be judged together: {error}") from error
    places = (_place(fastest, None), *map(_place, ranked[1:], verdicts))
    as_good = [place for place in places if place.verdict is None or place.verdict.answer != "slower"]
    chosen = min(as_good, key=lambda place: (place.setting.threads, len(place.setting.cpus)))
    return Recommendation(
        setting=chosen.setting, sure=len(as_good) == 1, reason=_explain(chosen, as_good), places=places
    )


def setting_of(run: Run) -> Setting:
    """The setting that a run was made with."""
    return Setting(threads=run.spec.threads, cpus=run.spec.cpus)


def format_cores(cpus: Sequence[int]) -> str:
    """Core numbers as ranges: `cores 0-3, 6`, `core 2`."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and cpu == parts[-1][-1] + 1:
            parts[-1].append(cpu)
        else:
            parts.append([cpu])
    words = ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
    return f"core{'' if len(cpus) == 1 else 's'} {words}"


def _place(run: Run, verdict: PairedVerdict | None) -> Place:
    series = run.find_series("latency")
    unit: Unit = series.unit if series is not None else "s"
    return Place(setting=setting_of(run), typical=_typical(run), unit=unit, verdict=verdict)


def _typical(run: Run) -> float:
    rounds = [median(values) for values in split_rounds(run) if values]
    return median(rounds) if rounds else float("inf")


def _explain(chosen: Place, as_good: Sequence[Place]) -> str:
    if len(as_good) == 1:
        return "every other setting was slower"
    others = ", ".join(str(place.setting) for place in as_good if place is not chosen)
    if chosen.verdict is None:
        return f"no difference was seen to {others}, none of which has fewer threads"
    return f"no difference was seen to {others}; this one has the fewest threads"
