"""A process of this machine whose standard input is held open: it ends when that does."""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO

from edgeq.devices.output import CHUNK, Lines, Output
from edgeq.errors import DeviceUnreachable

# How long an ended command is waited for. Its supervisor sends SIGKILL after one second.
_END_SECONDS = 5.0


class Child:
    """A process of this machine that ends when its standard input does."""

    def __init__(self, argv: Sequence[str], *, stderr: int) -> None:
        """Start it.

        Raises:
            OSError: as Popen does.
        """
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            start_new_session=True,
        )
        self._lines = Lines(self.receive)
        self.is_let_go = False

    def read_all(self, until: float) -> tuple[Output, Output]:
        """All that it writes to stdout and stderr; less if that is too much.

        Raises:
            TimeoutError: it could still write at `until` on the monotonic clock.
        """
        output, errors = Output(), Output()
        with selectors.DefaultSelector() as selector:
            selector.register(_there(self.process.stdout), selectors.EVENT_READ, output)
            selector.register(_there(self.process.stderr), selectors.EVENT_READ, errors)
            while selector.get_map() and not (output.overflowed or errors.overflowed):
                ready = selector.select(max(0.0, until - time.monotonic()))
                if not ready and time.monotonic() >= until:
                    raise TimeoutError
                for key, _ in ready:
                    if chunk := os.read(key.fd, CHUNK):
                        key.data.add(chunk)
                    else:
                        selector.unregister(key.fileobj)
        return output, errors

    def read_line(self, *, timeout: float) -> bytes:
        """See `Running.read_line`."""
        try:
            return self._lines.next(timeout)
        except TimeoutError as error:
            name = shlex.join(map(str, self.process.args))  # type: ignore[arg-type]
            raise DeviceUnreachable(f"`{name[:200]}` wrote no line within {timeout:g} s") from error

    def write(self, data: bytes) -> None:
        """See `Running.write`."""
        try:
            _there(self.process.stdin).write(data)
        except (OSError, ValueError) as error:
            raise DeviceUnreachable("the command has ended") from error

    def close(self) -> None:
        """See `Running.close`."""
        self.end()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def end(self) -> None:
        """End its input and so itself; a process that does not end so is killed."""
        self.is_let_go = True
        self.end_input()
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end_input(self) -> None:
        """There is no more for it to read."""
        with contextlib.suppress(OSError):
            _there(self.process.stdin).close()

    def receive(self, seconds: float, size: int = CHUNK) -> bytes:
        """What it writes to stdout next, at most `size` bytes; nothing at the end.

        Raises:
            TimeoutError: it wrote nothing for so many seconds.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(_there(self.process.stdout), selectors.EVENT_READ)
            if not selector.select(seconds):
                raise TimeoutError
        return os.read(_there(self.process.stdout).fileno(), size)


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - optional by its type only: all were asked for
    return stream
