"""How often the gate errs: two runs of one process called different, and real slowdowns not seen.

Without arguments: simulations on a wall clock, where two series come from the same process (no verdict other
than `same` or `cannot tell` is true) or from processes that differ by a known factor. With `--spread
REPORT...`: how far the quantities of several reports of the same artifacts lie apart.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from edgeq.report.files import read_report
from edgeq.results.compare import Key, key_of
from edgeq.results.limits import GATES, Limit
from edgeq.results.pairing import read_quantities
from edgeq.results.records import Missing, Run
from edgeq.results.verdict import Measured, judge

Floats = np.ndarray[Any, np.dtype[np.float64]]
Process = Callable[[np.random.Generator, int], Floats]

LENGTHS = (50, 200, 1000)
FACTORS = (1.03, 1.1, 1.2)
LIMIT = Limit(relative=0.05)


def quiet(rng: np.random.Generator, n: int) -> Floats:
    """Normal, 1 %."""
    return 1 + 0.01 * rng.standard_normal(n)


def heavy_tails(rng: np.random.Generator, n: int) -> Floats:
    """Log-normal, 5 %, and one value in ten is an outlier with a Pareto tail without a variance."""
    return np.exp(0.05 * rng.standard_normal(n)) * (1 + (rng.random(n) < 0.1) * rng.pareto(1.5, n))


def two_modes(rng: np.random.Generator, n: int) -> Floats:
    """Two levels 15 % apart, each value on either."""
    return quiet(rng, n) * np.where(rng.random(n) < 0.5, 1.0, 1.15)


def sticky_modes(rng: np.random.Generator, n: int) -> Floats:
    """Two levels 15 % apart that change place every 20 values or so: a core that is switched."""
    return quiet(rng, n) * np.where((np.cumsum(rng.random(n) < 0.05) + rng.integers(2)) % 2, 1.15, 1.0)


def correlated(rng: np.random.Generator, n: int) -> Floats:
    """Autoregressive with a coefficient of 0.9 and a standard deviation of 3 %."""
    noise = rng.standard_normal(n + 100) * 0.03 * np.sqrt(1 - 0.81)
    values = np.zeros(n + 100)
    for i in range(1, n + 100):
        values[i] = 0.9 * values[i - 1] + noise[i]
    return 1 + values[100:]


def drift(rng: np.random.Generator, n: int) -> Floats:
    """A straight drift of up to 10 % up or down: a board that warms up or cools down."""
    return quiet(rng, n) * (1 + rng.uniform(-0.1, 0.1) * np.linspace(0, 1, n))


def settling(rng: np.random.Generator, n: int) -> Floats:
    """Up to 20 % slower at first, gone after a fifth of the series: too little warm-up."""
    return quiet(rng, n) * (1 + rng.uniform(0, 0.2) * np.exp(-np.arange(n) / (n / 15)))


def step(rng: np.random.Generator, n: int) -> Floats:
    """One step of up to 15 % up or down, not in the first or last tenth: throttling, or another program.

    One outside the series cannot be known from it: the two runs then really had different levels.
    """
    return quiet(rng, n) * (
        1 + rng.uniform(-0.15, 0.15) * (np.arange(n) >= rng.integers(n // 10, n - n // 10))
    )


def waves(rng: np.random.Generator, n: int) -> Floats:
    """A wave of 5 % with five periods: a fan that goes on and off."""
    return quiet(rng, n) * (1 + 0.05 * np.sin(np.linspace(0, 10 * np.pi, n) + rng.uniform(0, 2 * np.pi)))


def coarse_clock(rng: np.random.Generator, n: int) -> Floats:
    """Normal, 1 %, on a clock that ticks every 1 %."""
    return np.round(quiet(rng, n) + rng.uniform(0, 0.01), 2)


PROCESSES: tuple[Process, ...] = (
    quiet,
    heavy_tails,
    two_modes,
    sticky_modes,
    correlated,
    drift,
    settling,
    step,
    waves,
    coarse_clock,
)


def count_changes(process: Process, n: int, factor: float, times: int, seed: int) -> dict[str, float]:
    """Share of each change and outcome over `times` pairs of `process`, the new one slower by `factor`."""
    rng = np.random.default_rng((seed, n, round(factor * 1000), PROCESSES.index(process)))
    counts: dict[str, int] = {}
    for _ in range(times):
        base, new = process(rng, n), process(rng, n) * factor
        verdict = judge(as_wall(base), as_wall(new), LIMIT)
        for word in (verdict.change, verdict.outcome):
            counts[word] = counts.get(word, 0) + 1
    return {word: count / times for word, count in counts.items()}


def as_wall(values: Floats) -> Measured:
    """Values as a series of milliseconds on a wall clock."""
    return Measured(values=tuple(float(value) * 1e-3 for value in values), unit="s", exact=False)


def simulate(times: int, seed: int, out: Callable[[str], None]) -> float:
    """Print both tables; returns the largest share of false `slower`."""
    worst, rows = 0.0, []
    for process in PROCESSES:
        for n in LENGTHS:
            null = count_changes(process, n, 1.0, times, seed)
            worst = max(worst, null.get("worse", 0.0))
            seen = [
                count_changes(process, n, factor, max(1, times // 4), seed).get("regressed", 0.0)
                for factor in FACTORS
            ]
            shares = [null.get(word, 0.0) for word in ("worse", "better", "regressed", "undecided")]
            rows.append((process.__name__, n, *(f"{share:.1%}" for share in (*shares, *seen))))
    slowdowns = [f"{factor - 1:+.0%}" for factor in FACTORS]
    header = ("process", "values", "slower", "faster", "regressed", "undecided", *slowdowns)
    out(f"Same process on both sides ({times} pairs each): false slower, faster, regressed (limit 5%); then")
    out(f"the share of real slowdowns called regressions ({max(1, times // 4)} pairs each; +3% is none)")
    out(tabulate(rows, headers=header, disable_numparse=True))
    out(f"largest share of false `slower`: {worst:.1%}")
    return worst


def spread(paths: Sequence[Path], out: Callable[[str], None]) -> None:
    """Print how far a quantity of the same artifact lies apart over reports: (largest - least) / least."""
    by_key: dict[Key, list[Run]] = {}
    for run in (run for path in paths for run in read_report(path).runs):
        by_key.setdefault(key_of(run), []).append(run)
    rows = []
    for key, same in by_key.items():
        for two in zip(*(read_quantities(run, run) for run in same), strict=False):
            values = [each.base.typical for each in two if not isinstance(each.base, Missing)]
            share = (max(values) - min(values)) / min(values) if min(values) else 0.0
            gate = GATES[two[0].quantity.partition(".")[0]]
            rows.append(
                (
                    str(key),
                    two[0].quantity,
                    len(values),
                    f"{share:.2%}",
                    f"{gate.repeats:.1%}",
                )
            )
    out(
        tabulate(
            rows,
            headers=("artifact", "quantity", "runs", "apart", "taken as"),
            disable_numparse=True,
        )
    )


def main() -> None:
    """Read the arguments and print the tables and the machine's facts."""
    # Beside this script; the tests load this file from elsewhere and need none of it.
    from facts import describe_machine

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=200, help="pairs of each kind (default 200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--spread", type=Path, nargs="+", metavar="REPORT", help="report.json files or folders"
    )
    chosen = parser.parse_args()
    print(describe_machine())
    if chosen.spread:
        spread(chosen.spread, print)
        return
    started = time.perf_counter()
    worst = simulate(chosen.times, chosen.seed, print)
    print(f"{time.perf_counter() - started:.0f} s")
    sys.exit(1 if worst > 0.05 else 0)


if __name__ == "__main__":
    main()
