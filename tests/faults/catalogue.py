"""The faults that edgeq is tried with: each injected for real, with what the user must see and find after.

The tests and `benchmarks/fault_table.py`, which prints the table of docs/devices.md, read this one list.
"""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from faults.rig import QUICK, Answer, During, Rig

# What must be true of the device and of this machine at once, and again after the next run.
CLEAN = "nothing runs, nothing half-written"
# What cannot be removed while the link is down, or by an edgeq that was killed.
SWEPT = "nothing runs, nothing half-written; the next run removes its run folder"
STATES = (CLEAN, SWEPT)
_SETTLE_SECONDS = 10


def _has_failed(runs: list[dict]) -> bool:
    """A device that fails costs no record: its run is one, with the reason."""
    return [run["status"] for run in runs] == ["failed"] and bool(runs[0]["error"]["message"])


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: for the table.
        link: name of the rig that it is tried on.
        exit_code: that `edgeq bench` must give; negative for the signal that ended edgeq.
        message: regular expression that its stderr must match.
        inject: a block in which the fault is there; gives what to do when the command has begun, or None.
        state: what must be true right after, one of `STATES`. The next run must work in any case.
        options: of the command.
        holds: whether the report that came is right; True when it is.
    """

    name: str
    link: str
    exit_code: int
    message: str
    inject: Callable[[Any], AbstractContextManager[During | None]]
    state: str = CLEAN
    options: tuple[str, ...] = QUICK
    holds: Callable[[list[dict]], bool] = _has_failed


@dataclass(frozen=True)
class Trial:
    """A fault that was tried: what came, and what is not as it must be (empty when all is)."""

    fault: Fault
    answer: Answer
    problems: list[str]


def try_fault(fault: Fault, rig: Rig) -> Trial:
    """Inject a fault into one command, look at what it left, and run another command after it."""
    with fault.inject(rig) as during:
        answer = rig.bench(*fault.options, during=during)
    problems = []
    if answer.exit_code != fault.exit_code:
        problems.append(f"exit code {answer.exit_code}, not {fault.exit_code}")
    if not re.search(fault.message, answer.stderr, re.DOTALL):
        problems.append("the message is another one")
    if "Traceback" in answer.stderr or re.search("[^\n\t -~\u00a0-\uffff]", answer.stderr):
        problems.append("stderr has a traceback or control characters")
    if not fault.holds(answer.runs):
        problems.append("the report is not right")
    problems += _look(rig, only_whole=fault.state == SWEPT)
    if fault.exit_code >= 0:
        problems += [f"left on this machine: {name}" for name in rig.half_written()]
    rig.clear_host()
    after = rig.bench(*QUICK)
    if after.exit_code != 0:
        problems.append(f"the next run failed with exit code {after.exit_code}: {after.stderr}")
    problems += [f"after the next run: {problem}" for problem in _look(rig)]
    return Trial(fault, answer, problems)


def _look(rig: Rig, *, only_whole: bool = False) -> list[str]:
    """What is on the device and should not be; it has a few seconds to notice that a link has gone."""
    until = time.monotonic() + _SETTLE_SECONDS
    while True:
        left = [name for name in rig.leftovers() if not (only_whole and name.startswith("run."))]
        problems = [f"left on the device: {name}" for name in left]
        problems += [f"still runs on the device: {pid}" for pid in rig.runners()]
        if not problems or time.monotonic() > until:
            return problems
        time.sleep(0.1)
