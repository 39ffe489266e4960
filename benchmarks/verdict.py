"""How often the verdict of `edgeq bench --paired` errs, and what it sees.

Two artifacts run in rounds of random order on one simulated device, whose mood (drift, steps, heavy tails,
noise with a memory, another level at every start) goes on through both. Either they are the same, and every
`faster` or `slower` is false; or one is slower by a known factor. Rounds end early as on a device.
"""

import argparse
import sys
import time
from collections.abc import Callable
from statistics import mean, median

import numpy as np
from facts import describe_machine
from processes import PROCESSES, Floats, Process, quiet
from tabulate import tabulate

from edgeq.results.paired import (
    LEVEL,
    POWER,
    Answer,
    answer_of,
    bound_rounds,
    is_settled,
    judge_rounds,
    plan_looks,
)

ROUNDS = 40
# Inferences of one artifact in a round.
INFERENCES = 10
FACTORS = (1.01, 1.03, 1.1)
SEED = 1


def own_levels(rng: np.random.Generator, n: int) -> Floats:
    """Every start of a process has a level of its own, 3 % apart: where its memory came to lie."""
    starts = -(-n // INFERENCES)
    levels: Floats = np.exp(0.03 * rng.standard_normal(starts))
    values: Floats = quiet(rng, n) * np.repeat(levels, INFERENCES)[:n]
    return values


def second_is_slower(rng: np.random.Generator, n: int) -> Floats:
    """Whoever comes second in a round is slower by 10 %: the first one has heated the device."""
    values: Floats = quiet(rng, n) * np.where(np.arange(n) // INFERENCES % 2, 1.1, 1.0)
    return values


def strong_drift(rng: np.random.Generator, n: int) -> Floats:
    """Twice as slow at the end as at the start, or twice as fast."""
    values: Floats = quiet(rng, n) * np.exp(rng.choice((-1, 1)) * np.log(2) * np.linspace(0, 1, n))
    return values


def stalls(rng: np.random.Generator, n: int) -> Floats:
    """In one start of five something else runs, and all its inferences take up to four times as long."""
    starts = -(-n // INFERENCES)
    slower = np.where(rng.random(starts) < 0.2, rng.uniform(1, 4, starts), 1.0)
    values: Floats = quiet(rng, n) * np.repeat(slower, INFERENCES)[:n]
    return values


MOODS: tuple[Process, ...] = (*PROCESSES, own_levels, second_is_slower, strong_drift, stalls)


def draw_rounds(
    process: Process, rng: np.random.Generator, factor: float, rounds: int
) -> tuple[Floats, Floats]:
    """Latencies of base and new in (round, inference); the new one is slower by `factor`."""
    slots = process(rng, 2 * rounds * INFERENCES).reshape(rounds, 2, INFERENCES) * 1e-3
    first = rng.integers(2, size=rounds)
    number = np.arange(rounds)
    return slots[number, first], slots[number, 1 - first] * factor


def ask(base: Floats, new: Floats) -> tuple[Answer, float, float, int]:
    """The answer with its interval, and after how many rounds it was given."""
    sides = base.tolist(), new.tolist()
    for look in plan_looks(len(base)):
        if look == len(base) or is_settled(sides[0][:look], sides[1][:look]):
            break
    low, high, _ = bound_rounds(sides[0][:look], sides[1][:look])
    return answer_of(low, high), low, high, look


def count_answers(
    process: Process, factor: float, times: int, rounds: int = ROUNDS, seed: int = SEED
) -> dict[str, float]:
    """Share of each answer over `times` experiments, of intervals that hold `factor`, and rounds it took."""
    rng = np.random.default_rng((seed, rounds, round(factor * 10000), MOODS.index(process)))
    counts = dict.fromkeys(("faster", "slower", "no difference seen", "holds", "rounds"), 0.0)
    for _ in range(times):
        answer, low, high, took = ask(*draw_rounds(process, rng, factor, rounds))
        counts[answer] += 1
        counts["holds"] += low <= factor <= high
        counts["rounds"] += took
    return {word: count / times for word, count in counts.items()}


def check_detectable(process: Process, times: int, rounds: int, seed: int) -> tuple[float, float]:
    """The smallest difference that experiments name, typically; and how often one so large is seen."""
    rng = np.random.default_rng((seed, rounds, MOODS.index(process)))
    named = []
    for _ in range(25):
        base, new = draw_rounds(process, rng, 1.0, rounds)
        verdict = judge_rounds(base.tolist(), new.tolist(), "s")
        named.append(verdict.detectable or 0.0)
    smallest = median(named)
    seen = []
    for _ in range(times):
        base, new = draw_rounds(process, rng, 1 + smallest, rounds)
        low, high, _ = bound_rounds(base.tolist(), new.tolist())
        seen.append(answer_of(low, high) == "slower")
    return smallest, mean(seen)


def simulate(times: int, rounds: int, seed: int, out: Callable[[str], None]) -> float:
    """Print the table; returns the largest share of false `faster` or of false `slower`."""
    worst, rows = 0.0, []
    for process in MOODS:
        null = count_answers(process, 1.0, times, rounds, seed)
        worst = max(worst, null["faster"], null["slower"])
        few = max(1, times // 10)
        seen = [count_answers(process, factor, few, rounds, seed) for factor in FACTORS]
        smallest, power = check_detectable(process, few, rounds, seed)
        shares = [null["faster"], null["slower"], null["holds"]]
        cells = [f"{share:.2%}" for share in shares] + [f"{null['rounds']:.0f}"]
        cells += [f"{each['slower']:.0%}" for each in seen] + [f"{seen[1]['holds']:.1%}"]
        rows.append((process.__name__, *cells, f"{smallest:.2%}", f"{power:.0%}"))
    header = ["process", "faster", "slower", "holds 1", "rounds"]
    header += [f"{factor - 1:+.0%}" for factor in FACTORS] + ["holds +3%", "smallest", "seen"]
    out(
        f"The same artifact twice, {times} experiments of at most {rounds} rounds for each process, each with"
    )
    out(f"{INFERENCES} inferences a round: false faster, false slower, intervals (each of {LEVEL:.2%}) that")
    out("hold 1, rounds taken; then how often a slowdown is called slower; then the smallest difference that")
    out(f"an experiment says it would have seen in {POWER:.0%} of cases, and how often one so large is seen.")
    out(tabulate(rows, headers=header, disable_numparse=True))
    out(f"largest share of one false answer: {worst:.2%}")
    return worst


def main() -> None:
    """Read the arguments and print the table and the machine's facts; exit 1 beyond 5 % of false answers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=2000, help="experiments of each kind (default 2000)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds at most (default {ROUNDS})")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    print(describe_machine())
    started = time.perf_counter()
    worst = simulate(chosen.times, chosen.rounds, chosen.seed, print)
    print(f"{time.perf_counter() - started:.0f} s")
    sys.exit(1 if worst > 0.05 else 0)


if __name__ == "__main__":
    main()
