"""What a gate looks at and how much worse each quantity may become: the table, and the text that sets it."""

import re
from collections.abc import Sequence
from typing import Literal

from edgeq.errors import InputError
from edgeq.results.records import Record


class Limit(Record, omit_defaults=True, frozen=True, kw_only=True):
    """How much worse a quantity may become: by a share of the base, or by an amount in its own unit."""

    relative: float | None = None
    absolute: float | None = None

    def slack(self, base: float) -> float:
        """The limit as an amount, for a quantity that was `base`."""
        return self.absolute if self.absolute is not None else (self.relative or 0.0) * abs(base)


class Gate(Record, frozen=True, kw_only=True):
    """One quantity of the table.

    Attributes:
        about: what it is, for people.
        exact: limit when the value repeats exactly, as counts and bytes do; None: shown, not judged.
        sampled: limit when it is a sample of something that varies, as times and energies are.
        scale: `ratio` is taken as a share of the base, `score` and `count` as a difference.
        repeats: share of the value by which an exact one still differs from boot to boot.
    """

    about: str
    exact: Limit | None
    sampled: Limit | None = None
    repeats: float = 0.0
    scale: Literal["ratio", "score", "count"] = "ratio"


_ONE, _FIVE = Limit(relative=0.01), Limit(relative=0.05)

# What repeats how well: `benchmarks/gate.py --spread` over boots of virt-pi5 with the digits artifacts. Times
# of a quiet board differ by some percent from start to start, which a single run cannot know.
GATES: dict[str, Gate] = {
    "latency": Gate(about="one inference, median", exact=_ONE, sampled=_FIVE, repeats=0.001),
    "first": Gate(about="first inference", exact=None, repeats=0.05),
    "load": Gate(about="loading the program", exact=None, repeats=0.1),
    "init": Gate(about="preparing the method", exact=None, repeats=0.1),
    "energy": Gate(about="energy of one inference, median", exact=_FIVE, sampled=_FIVE),
    "size": Gate(about="program file", exact=_ONE),
    "arena": Gate(about="planned arena", exact=_ONE),
    "heap_loaded": Gate(about="heap after load", exact=None),
    "heap_peak": Gate(about="peak heap", exact=_FIVE, repeats=0.005),
    "rss_peak": Gate(about="peak RSS", exact=_FIVE, repeats=0.02),
    "accuracy": Gate(about="accuracy", exact=Limit(absolute=0.01), scale="score"),
    "delegation": Gate(about="nodes outside the delegate", exact=Limit(absolute=0.0), scale="count"),
}

GROUPS: dict[str, tuple[str, ...]] = {"memory": ("arena", "heap_loaded", "heap_peak", "rss_peak")}

_AMOUNT = re.compile(r"(?P<number>[0-9]{1,15}(\.[0-9]*)?|\.[0-9]+)\s*(?P<unit>%|pt)?")
_OFF = "off"


def find_gate(quantity: str) -> Gate:
    """The row of the table for `quantity`; every `accuracy.METRIC` has the one of `accuracy`."""
    return GATES[quantity.partition(".")[0]]


def read_limit(text: str) -> Limit | None:
    """`5%` as a share, `1pt` as a hundredth, a number alone as an amount; None when it is none of these."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    number = float(match["number"])
    if match["unit"] == "%":
        return Limit(relative=number / 100)
    return Limit(absolute=number / 100 if match["unit"] else number)


class Limits:
    """The limits of one comparison: what the user set, else the table's."""

    def __init__(self, chosen: dict[str, Limit | None] | None = None) -> None:
        self._chosen = chosen or {}

    def find(self, quantity: str, *, exact: bool) -> Limit | None:
        """The limit of `quantity` (`accuracy.top1` falls back on `accuracy`), or None: not judged."""
        for name in (quantity, quantity.partition(".")[0]):
            if name in self._chosen:
                return self._chosen[name]
        gate = find_gate(quantity)
        return gate.exact if exact else gate.sampled


def parse_limits(texts: Sequence[str]) -> Limits:
    """Read `5%`, `latency=5%,rss_peak=10%`, `accuracy=1pt`, `delegation=0`, `size=off`; the last word counts.

    A plain `5%` is for every judged quantity that is a share of the base: not for accuracy and delegation.
    `pt` is a percentage point of a score. A number alone is in the quantity's unit (insn or s, B, J, nodes).

    Raises:
        InputError: unknown quantity or malformed limit; what there is is listed.
    """
    chosen: dict[str, Limit | None] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, equals, amount = part.rpartition("=")
        if not equals:
            limit = _parse_amount(part, part)
            if limit is None or limit.relative is None:
                raise InputError(
                    f"--max-regression {part}: a limit for all quantities is a share",
                    hint="write it like 5%, or name the quantity: latency=5%",
                )
            chosen |= {name: limit for name, gate in GATES.items() if gate.scale == "ratio" and gate.exact}
            continue
        for quantity in _resolve(name.strip()):
            chosen[quantity] = _parse_amount(amount.strip(), part, quantity)
    return Limits(chosen)


def _resolve(name: str) -> tuple[str, ...]:
    if name in GROUPS:
        return GROUPS[name]
    if name in GATES or (name.startswith("accuracy.") and name != "accuracy."):
        return (name,)
    known = ", ".join([*GATES, *GROUPS])
    raise InputError(f"--max-regression: no quantity {name!r}", hint=f"there are: {known}, accuracy.METRIC")


def _parse_amount(text: str, whole: str, quantity: str = "") -> Limit | None:
    if text == _OFF and quantity:
        return None
    limit = read_limit(text)
    if limit is None:
        raise InputError(
            f"--max-regression {whole}: {text!r} is no limit", hint="a limit is like 5%, 1pt, 4096, 0 or off"
        )
    if text.endswith("pt") and find_gate(quantity or "latency").scale != "score":
        raise InputError(f"--max-regression {whole}: points are for accuracy", hint="write it like 5%")
    return limit
