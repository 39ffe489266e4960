"""What the kernel tells of its processors at a moment: which are online, and how busy all were since boot."""

import re
from collections.abc import Sequence

# Of user space, on every architecture: the kernel's include/uapi/asm-generic/param.h.
_USER_HZ = 100
# Two readings of a hundredth of a second each say little about a short time.
_LEAST_SECONDS = 1.0

_RANGE = re.compile("([0-9]{1,4})(?:-([0-9]{1,4}))?")


def count_cores(text: str) -> float | None:
    """Number of cores in a list such as `0-3,5` (Documentation/ABI/testing/sysfs-devices-system-cpu)."""
    count = 0
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            return None
        count += int(found[2] or found[1]) - int(found[1]) + 1
    return float(count)


def read_busy(text: str) -> tuple[int, int] | None:
    """Ticks of work of this process with its children, and of all processes, since boot.

    Args:
        text: /proc/self/stat, a newline, and the beginning of /proc/stat (proc(5)).
    """
    own, _, whole = text.partition("\n")
    # The name of a process may hold anything, blanks and brackets among it; the last bracket ends it.
    fields = own.rpartition(")")[2].split()
    cpu = whole.partition("\n")[0].split()
    if len(fields) < 15 or len(cpu) < 9 or cpu[0] != "cpu":
        return None
    numbers = [*fields[11:15], *cpu[1:9]]
    if not all(number.isascii() and number.isdigit() and len(number) < 16 for number in numbers):
        return None
    mine, (user, nice, system, _, _, irq, softirq, steal) = numbers[:4], map(int, numbers[4:])
    return sum(map(int, mine)), user + nice + system + irq + softirq + steal


def busy_others(times: Sequence[float], texts: Sequence[str]) -> list[tuple[float, float]]:
    """How many cores others kept busy, in consecutive spans of a second or more: (middle, cores).

    Args:
        times: of the readings, seconds, ascending.
        texts: as `read_busy` takes them; those that are no such text are left out.
    """
    found: list[tuple[float, float]] = []
    last: tuple[float, int] | None = None
    for time, text in zip(times, texts, strict=True):
        ticks = read_busy(text)
        if ticks is None:
            continue
        others = ticks[1] - ticks[0]
        if last is None:
            last = time, others
        elif time - last[0] >= _LEAST_SECONDS:
            # Rounded to ticks on both sides, so that an idle machine may seem to do less than nothing.
            cores = max(0.0, (others - last[1]) / _USER_HZ / (time - last[0]))
            found.append(((time + last[0]) / 2, cores))
            last = time, others
    return found
