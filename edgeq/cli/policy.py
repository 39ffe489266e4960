"""The options that say how to measure, the same for every command that does."""

import functools
import re
from collections.abc import Callable

import click

from edgeq.errors import InputError
from edgeq.measure.choices import Choices

# What is measured unless asked otherwise. `memory` is one more start of the program, `power` takes twenty
# seconds more.
USUAL_PASSES = ("latency", "operators", "outputs")
PASSES = (*USUAL_PASSES, "memory", "power")

_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """A length of time such as `90`, `90s`, `5m` or `500ms`, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", str(value).strip())
        if found is None or found[2] not in _SECONDS:
            self.fail(f"{value!r} is no length of time; write it like 90s, 5m or 500ms", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


_OPTIONS = (
    click.option(
        "--threads",
        type=click.IntRange(1),
        help="Threads of the runner (default: 1, or what the profile says).",
    ),
    click.option(
        "--cpus",
        help="Cores to pin the runner to, e.g. 2,3 or 4-7 (default: none, or what the profile says).",
    ),
    click.option(
        "--warmup",
        help="Warm up for this many inferences (20), this long (2s), or until `steady` "
        "(default on a wall clock: at least 10, and 20 s at most).",
    ),
    click.option(
        "--iterations",
        type=click.IntRange(1),
        help="Measured inferences, within 10 s on a wall clock, 1 s in a round (default: up to 1000, 200 in "
        "a round; counts: until they agree).",
    ),
    click.option(
        *("--seconds", "--sustained", "seconds"),
        type=Duration(),
        help="Measure for this long; a minute or more shows what the heat does.",
    ),
    click.option("--rate", type=click.FloatRange(0, min_open=True), help="Requests per second."),
    click.option("--pause", type=Duration(), default=0.0, help="Rest between two inferences."),
    click.option(
        "--tune",
        is_flag=True,
        help="Hold the device still (governor; on a phone more) for the session, and put all back.",
    ),
    click.option(
        "--measure",
        default=",".join(USUAL_PASSES),
        show_default=True,
        help="What to measure: latency, memory, operators, outputs, power.",
    ),
    click.option(
        "--timeout",
        type=click.IntRange(1),
        default=600,
        show_default=True,
        help="Seconds for one pass of one run.",
    ),
    click.option(
        "--wait",
        type=click.IntRange(0),
        default=600,
        show_default=True,
        help="Seconds to wait for a device that another edgeq uses.",
    ),
)


def policy_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say how to measure; the command gets them as one `choices`."""

    @functools.wraps(function)
    def command(
        *,
        threads: int | None,
        cpus: str | None,
        warmup: str | None,
        iterations: int | None,
        seconds: float | None,
        rate: float | None,
        pause: float,
        tune: bool,
        measure: str,
        timeout: int,
        wait: int,
        **rest: object,
    ) -> None:
        count, length, steady = read_warmup(warmup)
        choices = Choices(
            threads=threads,
            cpus=None if cpus is None else read_cores(cpus),
            warmup=count,
            warmup_seconds=length,
            steady=steady,
            iterations=iterations,
            seconds=seconds,
            rate=rate,
            pause=pause,
            tune=tune,
            passes=read_passes(measure),
            timeout=timeout,
            wait=wait,
        )
        function(choices=choices, **rest)

    wrapped: Callable[..., None] = command
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def read_passes(measure: str) -> tuple[str, ...]:
    """What `--measure` names, each once.

    Raises:
        InputError: an unknown quantity; the valid ones are listed.
    """
    names = dict.fromkeys(part.strip() for part in measure.split(","))
    if unknown := [name for name in names if name not in PASSES]:
        raise InputError(f"cannot measure {', '.join(unknown)!r}; there are: {', '.join(PASSES)}")
    return tuple(names)


def read_cores(text: str) -> tuple[int, ...]:
    """Core numbers of `0,1` or `4-7` or both.

    Raises:
        InputError: it is no such list.
    """
    cores: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,4})(?:-([0-9]{1,4}))?\s*", part)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise InputError(f"--cpus {text}: not a list of core numbers", hint="write it like 0,1 or 4-7")
        cores += range(int(found[1]), int(found[2] or found[1]) + 1)
    return tuple(dict.fromkeys(cores))


def read_warmup(text: str | None) -> tuple[int | None, float | None, bool | None]:
    """What `--warmup` asks for: least inferences, least seconds, whether until steady; None: not asked.

    Raises:
        InputError: it is neither a number, nor a length of time, nor `steady`.
    """
    if text is None:
        return None, None, None
    if text == "steady":
        return 0, None, True
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text), None, False
    try:
        return 0, Duration().convert(text, None, None), False
    except click.BadParameter as error:
        raise InputError(
            f"--warmup {text}: not a number of inferences, nor a length of time",
            hint="write it like 20, 2s or steady",
        ) from error
