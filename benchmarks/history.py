"""How often the change points of `edgeq history` are wrong on a wall clock: false alarms, shifts not seen.

Simulated histories of one median a run: without a change (the share of histories said to have one), and with
a shift half-way (the share found, within three runs of its place).
"""

import argparse
from collections.abc import Callable

import numpy as np
from facts import describe_machine
from numpy.typing import NDArray
from tabulate import tabulate

from edgeq.results.changes import ALPHA, find_shifts

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]

SPREAD = 0.02
LENGTHS = (10, 20, 50, 200)
SHIFTS = (1.0, 2.0, 3.0, 5.0)


def normal(rng: np.random.Generator, n: int) -> Floats:
    """Independent, normal, 2 %."""
    return SPREAD * rng.standard_normal(n)


def outliers(rng: np.random.Generator, n: int) -> Floats:
    """The same, and one run in ten up to twice as slow."""
    return normal(rng, n) + (rng.random(n) < 0.1) * rng.random(n)


def two_levels(rng: np.random.Generator, n: int) -> Floats:
    """Each run on one of two levels, 10 % apart."""
    return normal(rng, n) + 0.1 * (rng.random(n) < 0.5)


def correlated(coefficient: float) -> Noise:
    """Each run remembers the one before: a warm day, a busy machine."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        values = normal(rng, n)
        for i in range(1, n):
            values[i] = coefficient * values[i - 1] + np.sqrt(1 - coefficient**2) * values[i]
        return values

    return draw


NOISES: dict[str, Noise] = {
    "normal, 2 %": normal,
    "normal with 10 % outliers": outliers,
    "two levels": two_levels,
    "autocorrelated, 0.2": correlated(0.2),
    "autocorrelated, 0.5": correlated(0.5),
}


def false_alarms(noise: Noise, n: int, histories: int) -> float:
    """Share of unchanged histories of `n` runs in which a change is said to be."""
    rng = np.random.default_rng(n)
    return sum(bool(find_shifts((1 + noise(rng, n)).tolist())) for _ in range(histories)) / histories


def found(shift: float, n: int, histories: int) -> float:
    """Share of histories whose second half is slower by `shift` spreads in which that is found."""
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(histories):
        values = 1 + normal(rng, n)
        values[n // 2 :] += shift * SPREAD
        hits += any(abs(cut.index - n // 2) <= 3 for cut in find_shifts(values.tolist()))
    return hits / histories


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--histories", type=int, default=500)
    histories: int = parser.parse_args().histories
    lengths = [f"{n} runs" for n in LENGTHS]
    print(f"false alarms, asked for {ALPHA:.0%}; {histories} histories each\n")
    rows = [
        (name, *(f"{false_alarms(noise, n, histories):.1%}" for n in LENGTHS))
        for name, noise in NOISES.items()
    ]
    print(tabulate(rows, headers=("noise", *lengths), disable_numparse=True))
    print(f"\nshifts found within three runs of their place; normal noise of {SPREAD:.0%}\n")
    rows = [
        (f"{shift:g} spreads, {shift * SPREAD:.0%}", *(f"{found(shift, n, histories):.1%}" for n in LENGTHS))
        for shift in SHIFTS
    ]
    print(tabulate(rows, headers=("shift", *lengths), disable_numparse=True))
    print(f"\n{describe_machine()}")


if __name__ == "__main__":
    main()
