"""Latencies of devices whose truth is known: what the simulations of the gate and of the verdict draw from.

A process gives the relative latencies of `n` inferences, one after the other, about 1.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Process = Callable[[np.random.Generator, int], Floats]


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
