"""The link to a device: five methods, whatever lies under them.

A link opens on first use, `close()` twice is fine, and every call has a deadline. `run` takes a list; quoting
happens once, inside the link. Output is bytes: a device's text is hostile until decoded with care.
"""

import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol, Self

from edgeq import plain
from edgeq.errors import DeviceError
from edgeq.results.records import Record

# Called with bytes done and bytes in total.
Progress = Callable[[int, int], None]


class CommandResult(Record, frozen=True, kw_only=True):
    """What a command on the device answered; `exit_code` is 128 + N after signal N."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes

    def check(
        self, what: str, error: type[DeviceError] = DeviceError, hint: str | None = None
    ) -> "CommandResult":
        """Return self, or raise `error` saying that `what` failed with the device's own words."""
        if self.exit_code == 0:
            return self
        said = printable(self.stderr or self.stdout).strip() or "no message"
        raise error(f"{what} failed with exit code {self.exit_code}: {said[-2000:]}", hint=hint)


class Running(Protocol):
    """A command that runs on a device until it is let go: its input ends, and then it does."""

    def read_line(self, *, timeout: float) -> bytes:
        """The next line of its stdout without the newline.

        Raises:
            EOFError: it wrote its last one.
            DeviceUnreachable: the link broke, or nothing came within `timeout` seconds.
        """
        ...

    def write(self, data: bytes) -> None:
        """Give it some input.

        Raises:
            DeviceUnreachable: it has ended, or the link broke.
        """
        ...

    def close(self) -> None:
        """End its input and wait a moment for its end; twice is fine. Never raises for a broken link."""
        ...


class Link(Protocol):
    """How to reach one device.

    Every command leads a process group of its own there, which ends with the link: when the deadline passes,
    when the link is closed, and when edgeq is killed.
    """

    def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """Run a command to its end within `timeout` seconds; its input is empty.

        Args:
            argv: program and arguments; they arrive as they are.
            timeout: seconds.
            environment: variables to set for it, beside those that the device gives.

        Raises:
            DeviceUnreachable: the link broke, or the deadline passed.
        """
        ...

    def start(self, argv: Sequence[str]) -> Running:
        """Start a command that stays until it is let go; its stderr is dropped.

        Raises:
            DeviceUnreachable: the link broke.
        """
        ...

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:
        """Copy a file to the device, mode included; it appears under its name only when whole.

        Raises:
            DeviceUnreachable: the link broke, or the deadline passed.
            DeployError: the device refused it (disk full, read-only, ...).
        """
        ...

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:
        """Copy a file from the device; `local` appears only when whole."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


def printable(data: bytes) -> str:
    """Device text for a person: UTF-8 where it is, and no control characters but newline and tab."""
    return plain.printable(data.decode("utf-8", errors="replace"))


def shown(argv: Sequence[str]) -> str:
    """A command for a message; of a script in it nobody would read more than that it is one."""
    words = ("..." if "\n" in word else shlex.quote(word) for word in argv)
    return f"`{' '.join(words)[:200]}`"


def beside(remote: str) -> str:
    """A name that nobody has in the folder of `remote`, for a file that is not whole yet."""
    path = PurePosixPath(remote)
    return str(path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}"))
