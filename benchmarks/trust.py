"""Whether edgeq's measurements can be trusted, in one table: the verdict's errors, sampling, a known energy.

The verdict is asked about simulated devices (`verdict.py`); sampling and energy are checked on a board whose
clock counts instructions (`energy.py`). Exits with 1 when a bound is broken.
"""

import argparse
import sys
import time
from collections.abc import Callable

from energy import Check, check_board, tell_check
from facts import describe_machine
from tabulate import tabulate
from verdict import MOODS, ROUNDS, SEED, count_answers, simulate

from edgeq.devices.opening import open_device
from edgeq.devices.profile import load_profile

MOST_FALSE = 0.05  # of the answers of one kind when nothing differs
MOST_OFF = 0.02  # of the energy of a known sensor
MOST_COST = 0.01  # of the instructions, for sampling


def worst_false_answer(experiments: int, rounds: int = ROUNDS, seed: int = SEED) -> float:
    """Largest share of one false answer over all simulated devices; the full table is `verdict.simulate`."""
    counts = [count_answers(process, 1.0, experiments, rounds, seed) for process in MOODS]
    return max(count[word] for count in counts for word in ("faster", "slower"))


def find_broken(worst: float, check: Check | None) -> list[str]:
    """Bounds that were not kept, in words; `check` may be left out."""
    broken = []
    if worst > MOST_FALSE:
        broken.append(f"{worst:.2%} false answers of one kind, {MOST_FALSE:.0%} are allowed")
    if check is None:
        return broken
    off = check.energy.gross.value / check.known - 1
    if abs(off) > MOST_OFF:
        broken.append(f"the energy of a known sensor is off by {off:+.2%}, {MOST_OFF:.0%} are allowed")
    costs = {"an inference beside sampling": check.overhead, "the sampling thread": check.thread}
    costs["sampling the device's state"] = check.state
    broken += [
        f"{what} costs {cost:.2%} of the instructions, {MOST_COST:.0%} are allowed"
        for what, cost in costs.items()
        if cost > MOST_COST
    ]
    return broken


def run(experiments: int, out: Callable[[str], None], *, board: bool) -> list[str]:
    """Print all tables; returns what was not kept."""
    worst = simulate(experiments, ROUNDS, SEED, out)
    check = None
    if board:
        profile = load_profile("virt-pi5")
        with open_device(profile, preload={}) as link:
            check = check_board(link, profile)
        out("")
        out(tabulate(tell_check(check), headers=("on a board that counts instructions", "value")))
    return find_broken(worst, check)


def main() -> None:
    """Read the arguments, print the tables and the machine's facts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=2000, help="of each kind (default 2000)")
    parser.add_argument("--no-board", action="store_true", help="the simulations only")
    chosen = parser.parse_args()
    started = time.perf_counter()
    broken = run(chosen.experiments, print, board=not chosen.no_board)
    print(f"\n{describe_machine()}; {time.perf_counter() - started:.0f} s")
    print("\n".join(f"NOT KEPT: {text}" for text in broken) or "all bounds are kept")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
