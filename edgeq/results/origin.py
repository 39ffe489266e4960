"""Of which sensor an energy is, and whether net or gross: said in the source of its series, and read from it.

A rail is no board, and net is no gross: energies of different origins are different quantities.
"""

import re
from dataclasses import dataclass
from typing import Literal

EnergyKind = Literal["net", "gross"]

_TOLD: dict[EnergyKind, str] = {"net": "net of the idle device", "gross": "gross"}
_SOURCE = re.compile(
    rf"(?P<sensor>.+? \([a-z]+\)): .*; (?P<kind>{'|'.join(_TOLD)})\b[^;]*, mean of an inference in each of ",
    re.DOTALL,
)


@dataclass(frozen=True)
class EnergyOrigin:
    """A sensor with its site, as `input (board)`, and the kind of energy."""

    sensor: str
    kind: EnergyKind

    def __str__(self) -> str:
        return f"{self.sensor}, {self.kind}"


def describe_energy(power: str, kind: EnergyKind, windows: int) -> str:
    """The source of an energy series from a power series with the source `power`, `SENSOR (SITE): TEXT`."""
    return f"{power}; {_TOLD[kind]}, mean of an inference in each of {windows} windows"


def read_origin(source: str) -> EnergyOrigin | None:
    """The origin that the source of an energy series tells, or None when it tells none."""
    match = _SOURCE.match(source)
    if match is None:
        return None
    return EnergyOrigin(match["sensor"], "net" if match["kind"] == "net" else "gross")
