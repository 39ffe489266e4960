"""SI inside, text at the edge: the only formatter of quantities.

Units in edgeq documents are these words: `s`, `insn` (guest instructions), `B`, `W`, `J`, `degC`, `Hz`, `1`
(a ratio). An instruction count has no way to become a time here, on purpose.
"""

import math

UNITS = ("s", "insn", "B", "W", "J", "degC", "Hz", "1")

# Text scale of each unit: (smallest magnitude, divisor, suffix), largest first.
_SCALES: dict[str, tuple[tuple[float, float, str], ...]] = {
    "s": ((1.0, 1.0, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "us"), (0.0, 1e-9, "ns")),
    "insn": ((1e9, 1e9, "G insn"), (1e6, 1e6, "M insn"), (1e3, 1e3, "k insn"), (0.0, 1.0, "insn")),
    "B": ((1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (1e3, 1e3, "kB"), (0.0, 1.0, "B")),
    "W": ((1.0, 1.0, "W"), (0.0, 1e-3, "mW")),
    "J": ((1.0, 1.0, "J"), (1e-3, 1e-3, "mJ"), (0.0, 1e-6, "uJ")),
    "degC": ((0.0, 1.0, "°C"),),
    "Hz": ((1e9, 1e9, "GHz"), (1e6, 1e6, "MHz"), (1e3, 1e3, "kHz"), (0.0, 1.0, "Hz")),
    "1": ((0.0, 1.0, ""),),
}


def format_quantity(value: float, unit: str, *, digits: int = 4) -> str:
    """Write `value` (in the SI unit `unit`) for a person, with `digits` significant digits.

    Decimal prefixes throughout: 1 kB is 1000 B.

    Raises:
        ValueError: `unit` is not one of `UNITS`.
    """
    if unit not in _SCALES:
        raise ValueError(f"unknown unit {unit!r}; the units are {', '.join(UNITS)}")
    if not math.isfinite(value):
        return f"{value} {unit}"
    if value == 0:
        return f"0 {unit if unit not in ('1', 'degC') else _SCALES[unit][0][2]}".rstrip()
    rounded = float(f"{value:.{digits - 1}e}")
    _, divisor, suffix = next(scale for scale in _SCALES[unit] if abs(rounded) >= scale[0])
    # Rounded once more: dividing by 1e-6 can leave 400.00000000000006.
    scaled = float(f"{rounded / divisor:.{digits - 1}e}")
    return f"{_significant(scaled, digits)} {suffix}".rstrip()


def format_ratio(new: float, base: float) -> str:
    """Write `new / base` as a factor, e.g. `0.42x`; `n/a` when the base is zero."""
    return "n/a" if base == 0 else f"{new / base:.3g}x"


def _significant(value: float, digits: int) -> str:
    if value == int(value) and abs(value) < 10**digits:
        return str(int(value))
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"
