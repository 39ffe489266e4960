"""Runs a command on a device so that it never outlives the link: when its input ends, it does too.

One POSIX shell script for every device (dash, busybox's ash, bash, mksh). Whoever holds the other end of its
standard input keeps the command alive; a closed channel, a closed link and a killed edgeq all end that input.
"""

import re
from collections.abc import Mapping, Sequence

# Of the messages that a shell writes when a child dies of a signal none may get among the command's own
# (descriptor 4). The command leads a group of its own where there is setsid; `kill` then reaches all that it
# started, also what is left of that when it has ended. The watcher polls nothing: a counted board that waits
# executes no instruction for it.
_SCRIPT = """
exec 3<&0 4>&2 2>/dev/null
command -v setsid >&2 && set -- setsid "$@"
"$@" </dev/null 2>&4 3<&- 4>&- &
leader=$!
signal() { kill -"$1" -"$leader" || kill -"$1" "$leader"; }
{ while read -r line <&3; do :; done; signal TERM; sleep 1; signal KILL; } >&2 4>&- &
watcher=$!
wait "$leader"
code=$?
kill -KILL "$watcher"
kill -KILL -"$leader"
exit "$code"
"""


def supervised(argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """What to give to a device instead of `argv`, with a standard input that stays open while it may run.

    The command's own input is empty. Its exit code is passed on: 128 + N after signal N, 127 for a program
    that is missing, 126 for one that is none. At the end of the standard input its process group gets
    SIGTERM, and a second later SIGKILL. When it ends by itself, so does what it left running in its group.

    Args:
        argv: program and arguments, as they are; whoever sends them to a shell quotes them once.
        environment: variables to set for the command only, beside those that the device gives.

    Raises:
        ValueError: a variable that has no valid name.
    """
    for name in environment:
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r} is no name of an environment variable")
    command = list(argv)
    if environment:
        # env takes a program whose path holds "=" for a variable; a shell does not.
        plain = ["sh", "-c", 'exec "$@"', "sh"] if "=" in command[0] else []
        command = ["env", *(f"{name}={value}" for name, value in environment.items()), *plain, *command]
    return ["sh", "-c", _SCRIPT, "sh", *command]
