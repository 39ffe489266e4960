"""One kind of condition of a device: what to ask, and how to read the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeq.results.records import Reading


@dataclass(frozen=True)
class Condition:
    """A question about the state of a device around a measurement.

    Attributes:
        question: a POSIX shell script; what it writes to stdout is the answer, empty when there is none.
        parse: the readings in an answer by name. It takes any text, and gives a reason for one that says
            nothing: a condition is never left out.
        silicon: whether it is a state of the silicon, which an emulated core on another kernel has not.
    """

    question: str
    parse: Callable[[str], dict[str, Reading]]
    silicon: bool = True


Conditions = Mapping[str, Condition]
