"""Whether two runs were made under like conditions: what must be the same before numbers are compared.

The program and the versions that made it may differ: they are what is being compared.
"""

import re
from collections.abc import Callable, Collection

from edgeq.errors import InputError
from edgeq.results.records import Conditions, DeviceInfo, Reading, Record, Run


class Difference(Record, frozen=True, kw_only=True):
    """One fact that differs between two runs, as text."""

    name: str
    base: str
    new: str


def _device(name: str) -> Callable[[Run], str]:
    def read(run: Run) -> str:
        if run.device is None:
            return "not known"
        value: str | tuple[str, ...] = getattr(run.device, name)
        return value if isinstance(value, str) else " ".join(sorted(value))

    return read


def _iterations(run: Run) -> str:
    """How long a wall clock was watched; a longer series heats the device more. A count does not care."""
    if run.device is None or run.device.clock != "wall":
        return "until they agree"
    spec = run.spec
    return f"{spec.iterations[0]} to {spec.iterations[1]}, {spec.seconds[0]:g} to {spec.seconds[1]:g} s"


def _warmup(run: Run) -> str:
    spec = run.spec
    if run.device is None or run.device.clock != "wall":
        return str(spec.warmup)
    steady = "" if spec.steady is None else f", until {spec.steady.window} within {spec.steady.spread:g}"
    return f"{spec.warmup}, {spec.warmup_seconds[0]:g} to {spec.warmup_seconds[1]:g} s{steady}"


def _governor(run: Run) -> str:
    reading = run.conditions.before.get("governor")
    return "not known" if reading is None or reading.value is None else str(reading.value)


def _throttling(run: Run) -> str:
    """What held the device back at the end; the number in front tells of the past and is left out."""
    reading = run.conditions.after.get("throttling")
    found = re.search(r"\((.*)\)", str(reading.value)) if reading is not None else None
    return "none now" if found is None else found[1]


# Name: how it is read, and what it is when a run can tell. All must be the same.
CONDITIONS: dict[str, Callable[[Run], str]] = {
    **{name: _device(name) for name in DeviceInfo.__struct_fields__ if name != "profile"},
    "place": lambda run: "an app" if run.spec.in_app else "a program",
    "threads": lambda run: str(run.spec.threads),
    "cpus": lambda run: ", ".join(map(str, run.spec.cpus)) or "any",
    "warmup": _warmup,
    "rate": lambda run: "none" if run.spec.rate is None else f"{run.spec.rate:g} a second",
    "pause": lambda run: f"{run.spec.pause:g} s",
    "iterations": _iterations,
    "governor": _governor,
    "throttling": _throttling,
}
# Those that an update of the device changes: over months they must.
VERSIONS = ("os", "kernel", "libc")
VALID = "valid"
# Without these two a number has another meaning.
NEVER_ALLOWED = ("kind", "clock")

CHANGED: dict[str, Callable[[Run], str]] = {
    "program": lambda run: run.artifact.sha256[:12],
    "executorch": lambda run: run.artifact.executorch or "not known",
    "torch": lambda run: run.artifact.torch or "not known",
}


def check_allowed(names: Collection[str]) -> None:
    """Refuse names that are no conditions or cannot be allowed.

    Raises:
        InputError: the valid ones are listed.
    """
    valid = [*(name for name in CONDITIONS if name not in NEVER_ALLOWED), VALID]
    if wrong := [name for name in names if name not in valid]:
        raise InputError(
            f"--allow: {', '.join(map(repr, wrong))} cannot be allowed", hint=f"there are: {', '.join(valid)}"
        )


def find_differences(base: Run, new: Run) -> tuple[Difference, ...]:
    """Conditions that differ, in the order of the table; a run that is not valid is like no other."""
    differences = _differ(CONDITIONS, base, new)
    if base.invalid or new.invalid:
        words = ["; ".join(run.invalid) or "yes" for run in (base, new)]
        differences += (Difference(name=VALID, base=words[0], new=words[1]),)
    return differences


def find_changes(base: Run, new: Run) -> tuple[Difference, ...]:
    """What may differ, and does: the program and the versions that made it."""
    return _differ(CHANGED, base, new)


def keep_conditions(conditions: Conditions) -> Conditions:
    """Only the readings that a later comparison asks for."""

    def keep(name: str, readings: dict[str, Reading]) -> dict[str, Reading]:
        return {name: readings[name]} if name in readings and readings[name].value is not None else {}

    return Conditions(before=keep("governor", conditions.before), after=keep("throttling", conditions.after))


def _differ(table: dict[str, Callable[[Run], str]], base: Run, new: Run) -> tuple[Difference, ...]:
    texts = [(name, read(base), read(new)) for name, read in table.items()]
    return tuple(Difference(name=name, base=before, new=now) for name, before, now in texts if before != now)
