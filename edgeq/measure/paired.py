"""Rounds of artifacts on one device: in each, every artifact runs its latency pass once, in random order.

A pass is a process of its own, so that what differs from start to start (where its memory lies, which core it
gets) is part of what is seen. The draws are independent, one after the other from one seed: this is what the
verdict rests on (`edgeq.results.paired`), and why no round makes up for the order of another.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from msgspec.structs import replace

from edgeq.measure.latency import default_spec, latency_series
from edgeq.results.paired import LEVEL, Rounds, is_settled, plan_looks, typical_of
from edgeq.results.records import Pairing, Series, Spec
from edgeq.results.sweep import level_of
from edgeq.runner.job import Job, Result

# What rounds can be compared by.
RoundClock = Literal["wall", "instructions"]

# A short pass: the rounds repeat it. An inference that takes longer than the most seconds runs once.
_WALL = Spec(
    threads=1,
    cpus=(),
    warmup=3,
    warmup_seconds=(0.0, 0.5),
    iterations=(1, 200),
    seconds=(0.0, 1.0),
    agreement=None,
    passes=("latency", "outputs"),
)
# Counts repeat to 0.1 % from process to process: the rounds only have to show that they do.
_INSTRUCTIONS = replace(default_spec("instructions"), passes=("latency", "outputs"))
_ROUNDS: dict[RoundClock, int] = {"wall": 40, "instructions": 3}


class Starter(Protocol):
    """What runs a job to its end on a device."""

    def run(self, job: Job) -> Result:
        """Run one job in a process of its own."""


@dataclass(frozen=True)
class Plan:
    """How long rounds go on.

    Attributes:
        seed: of the order in the rounds.
        rounds: at most so many; None for the default of the clock.
        seconds: no round begins later than this after the first, on the host's clock; None for no bound.
        sweep: whether what is fastest is picked from the rounds and set beside all others, instead of the
            first.
    """

    seed: int
    rounds: int | None = None
    seconds: float | None = None
    sweep: bool = False

    def level(self, count: int) -> float:
        """Confidence of the interval at each look, of `count` contestants."""
        return level_of(count) if self.sweep else LEVEL


@dataclass(frozen=True)
class Contestant:
    """One artifact: the runner that starts it and its latency pass."""

    starter: Starter
    job: Job


def draw_plan(
    rounds: int | None, seconds: float | None, seed: int | None = None, *, sweep: bool = False
) -> Plan:
    """A plan with a seed of its own where none was given."""
    drawn = int(np.random.SeedSequence().generate_state(1)[0])
    return Plan(seed=drawn if seed is None else seed, rounds=rounds, seconds=seconds, sweep=sweep)


def default_round(clock: RoundClock) -> Spec:
    """How an artifact is run in a round; callers replace what the user chose."""
    return _INSTRUCTIONS if clock == "instructions" else _WALL


class Interleaving:
    """Runs the rounds and keeps what they gave, also when one breaks off."""

    def __init__(self, plan: Plan, clock: RoundClock, pairing: str) -> None:
        """Make one for a device with `clock`; `pairing` is the id that its runs will share."""
        self._plan = plan
        self._clock = clock
        self._pairing = pairing
        self._results: defaultdict[int, list[Result]] = defaultdict(list)
        self.ended_by = ""

    def run(
        self,
        contestants: Sequence[Contestant],
        announce: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run rounds until there are enough, the time is over, or more would tell nobody more.

        The first of at least two `contestants` is the base, but in a sweep; `now` gives seconds.

        Raises:
            RunnerError, DeviceUnreachable: as the device says; the rounds before are kept.
        """
        most = self._plan.rounds or _ROUNDS[self._clock]
        level = self._plan.level(len(contestants))
        looks = plan_looks(most, level)
        generator = np.random.default_rng(self._plan.seed)
        began = now()
        for number in range(1, most + 1):
            # Nothing of the results: who watches them and stops when they please breaks the verdict.
            announce(f"round {number} of at most {most}")
            for place in generator.permutation(len(contestants)):
                contestant = contestants[place]
                self._results[int(place)].append(contestant.starter.run(contestant.job))
            if number == most:
                break
            if self._clock == "wall" and number in looks and self._is_settled(level):
                self.ended_by = f"the answer was clear after {number} rounds"
                return
            if self._plan.seconds is not None and now() - began >= self._plan.seconds:
                self.ended_by = f"the time was over after {number} rounds"
                return
        self.ended_by = f"all {most} rounds were run"

    def results(self, place: int) -> list[Result]:
        """What the rounds of one contestant gave, in their order."""
        return list(self._results[place])

    def series(self, place: int) -> tuple[Series, ...]:
        """The series of a latency pass with the values of all rounds, in their order."""
        rounds = [latency_series(result, self._clock) for result in self._results[place]]
        return tuple(_join(parts) for parts in zip(*rounds, strict=True))

    def pairing(self, place: int) -> Pairing:
        """Which values of the series belong to which round."""
        lengths = [len(_measured(result)) for result in self._results[place]]
        starts = np.cumsum([0, *lengths[:-1]])[: len(lengths)]
        return Pairing(
            id=self._pairing, seed=self._plan.seed, place=place, rounds=tuple(int(start) for start in starts)
        )

    def _is_settled(self, level: float) -> bool:
        sides = [self._ticks(place) for place in sorted(self._results)]
        base, *others = sorted(sides, key=typical_of) if self._plan.sweep else sides
        return all(is_settled(base, other, level) for other in others)

    def _ticks(self, place: int) -> Rounds:
        return [_measured(result) for result in self._results[place]]


def _measured(result: Result) -> tuple[int, ...]:
    return result.times.measured if result.times else ()


def _join(parts: Sequence[Series]) -> Series:
    first = parts[0]
    times = [each.times for each in parts if each.times is not None]
    return Series(
        name=first.name,
        unit=first.unit,
        phase=first.phase,
        values=tuple(value for each in parts for value in each.values),
        times=tuple(start for each in times for start in each) if times else None,
        source=first.source,
    )
