"""Which of several settings of one artifact on one device to use, from rounds in which all of them ran.

Settings that cannot be told from the fastest are as good as it is; of these the one with fewest threads is
recommended, since it leaves cores to others and draws less power.

The fastest is picked from the same rounds, so any pair of settings may be the one that counts: each gets its
part of the error (Bonferroni over all pairs).
"""

from collections.abc import Sequence
from math import comb

from msgspec.structs import replace

from edgeq.errors import InputError, MeasurementError
from edgeq.results.paired import LEVEL, are_paired, bound_rounds, split_rounds, typical_of
from edgeq.results.records import Record, Run, Unit
from edgeq.results.signed_ranks import least_values


class Setting(Record, frozen=True, kw_only=True):
    """Threads, and the cores that they are pinned to; none for no pinning."""

    threads: int
    cpus: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As a person says it."""
        cores = f" on {format_cores(self.cpus)}" if self.cpus else ""
        return f"{self.threads} thread{'' if self.threads == 1 else 's'}{cores}"


class Place(Record, frozen=True, kw_only=True):
    """A setting beside the fastest one.

    Attributes:
        setting: threads and cores.
        typical: median of its rounds' medians, in `unit`.
        low: lower end of the interval of its latency over that of the fastest; None for that one itself.
        high: upper end.
        is_slower: whether it was proven slower than the fastest.
        heap: most heap in use, bytes; None when it was not measured.
        rss: peak RSS, bytes; None when it was not measured.
    """

    setting: Setting
    typical: float
    unit: Unit
    low: float | None = None
    high: float | None = None
    is_slower: bool = False
    heap: int | None = None
    rss: int | None = None


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


def level_of(settings: int) -> float:
    """Confidence of each interval, so that those of all pairs of so many `settings` hold together."""
    return 1 - (1 - LEVEL) / comb(settings, 2)


def least_rounds(settings: int) -> int:
    """The fewest rounds in which so many `settings` can be told apart."""
    return least_values(level_of(settings))


def recommend(runs: Sequence[Run]) -> Recommendation:
    """Judge the runs of one artifact in one pairing, each with a setting of its own.

    Raises:
        InputError: fewer than two runs, or not of one artifact and one pairing.
        MeasurementError: too few rounds, or latencies that have no ratio: nothing can be recommended.
    """
    if len(runs) < 2:
        raise InputError("a recommendation needs at least two settings that were measured")
    if len({run.artifact.sha256 for run in runs}) > 1:
        raise InputError("a recommendation is for one artifact, these runs are of several")
    ranked = sorted(runs, key=_typical)
    fastest, others = ranked[0], ranked[1:]
    if not all(are_paired(fastest, run) for run in others):
        raise InputError("these runs were not measured in rounds of one sweep")
    places = (_place(fastest), *_stand_beside(fastest, others))
    as_good = [place for place in places if not place.is_slower]
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


def _place(run: Run) -> Place:
    series = run.find_series("latency")
    unit: Unit = series.unit if series is not None else "s"
    heap, rss = (getattr(run.memory, name, None) for name in ("heap_peak", "rss_peak"))
    return Place(
        setting=setting_of(run),
        typical=_typical(run),
        unit=unit,
        heap=heap if isinstance(heap, int) else None,
        rss=rss if isinstance(rss, int) else None,
    )


def _stand_beside(fastest: Run, others: Sequence[Run]) -> list[Place]:
    """The settings of `others` beside the fastest, in the rounds that all of them have."""
    base, *sides = [split_rounds(run) for run in (fastest, *others)]
    settings, count = 1 + len(others), min(map(len, (base, *sides)))
    if count < least_rounds(settings):
        were = "1 round was" if count == 1 else f"{count} rounds were"
        raise MeasurementError(
            f"cannot tell which of {settings} settings to use: {were} run, and it takes "
            f"{least_rounds(settings)}",
            hint="allow more --rounds and a longer --time-limit, or try fewer settings",
        )
    places = []
    for run, side in zip(others, sides, strict=True):
        try:
            low, high, _ = bound_rounds(base[:count], side[:count], level_of(settings))
        except ValueError as error:
            raise MeasurementError(
                f"cannot tell which setting to use: the latencies of {setting_of(run)} make no ratio to "
                f"those of {setting_of(fastest)}: {error}"
            ) from error
        places.append(replace(_place(run), low=low, high=high, is_slower=low > 1))
    return places


def _typical(run: Run) -> float:
    return typical_of(split_rounds(run))


def _explain(chosen: Place, as_good: Sequence[Place]) -> str:
    if len(as_good) == 1:
        return "every other setting was slower"
    others = ", ".join(str(place.setting) for place in as_good if place is not chosen)
    if chosen is as_good[0]:
        return f"no difference was seen to {others}, none of which has fewer threads"
    return f"no difference was seen to {others}; this one has the fewest threads"
