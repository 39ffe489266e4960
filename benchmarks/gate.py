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

import numpy as np
from facts import describe_machine
from processes import PROCESSES, Floats, Process
from tabulate import tabulate

from edgeq.report.files import read_report
from edgeq.results.compare import Key, key_of
from edgeq.results.limits import GATES, Limit
from edgeq.results.pairing import read_quantities
from edgeq.results.records import Missing, Run
from edgeq.results.verdict import Measured, judge

LENGTHS = (50, 200, 1000)
FACTORS = (1.03, 1.1, 1.2)
LIMIT = Limit(relative=0.05)


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
