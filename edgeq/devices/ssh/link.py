"""A link over SSH, by paramiko: strict host keys, every call with a deadline.

The login shell of the device must be a POSIX shell. Nothing here asks for a password; keys come from the
profile's file, or else from the agent and the user's default keys.
"""

import contextlib
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from edgeq.devices.link import CommandResult, Progress, Running, shown
from edgeq.devices.output import CHUNK, Lines, Output, too_much
from edgeq.devices.ssh.client import OPEN_SECONDS
from edgeq.devices.ssh.files import Transfers
from edgeq.devices.ssh.session import SshSession, exit_code_of
from edgeq.devices.ssh.target import SshTarget
from edgeq.devices.supervision import supervised
from edgeq.errors import DeviceUnreachable

if TYPE_CHECKING:
    import paramiko

# How long a started command is waited for when its input has ended.
_END_SECONDS = 2.0


class SshLink:
    """A `Link` over SSH; connects on first use."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._session = SshSession(target)
        self._transfers = Transfers(self._session, self.run)

    def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """See `Link.run`."""
        what = shown(argv)
        with self._session.command(what, timeout) as channel:
            channel.exec_command(f"exec {shlex.join(supervised(argv, environment or {}))}")
            # Both streams to their end first: the exit status waits behind the output.
            output, errors = Output(), Output()
            reader = threading.Thread(target=_drain, args=(channel, channel.recv_stderr, errors), daemon=True)
            reader.start()
            _drain(channel, channel.recv, output)
            reader.join()
            if output.overflowed or errors.overflowed:
                raise too_much(what, self.target.label)
            code = exit_code_of(channel)
        return CommandResult(
            argv=tuple(argv), exit_code=code, stdout=bytes(output.data), stderr=bytes(errors.data)
        )

    def start(self, argv: Sequence[str]) -> Running:
        """See `Link.start`."""
        what = shown(argv)
        with ExitStack() as stack:
            channel = stack.enter_context(self._session.channel(what, OPEN_SECONDS))
            channel.exec_command(f"exec {shlex.join(argv)} 2>/dev/null")
            return _SshRunning(self._session, channel, what, stack.pop_all())

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.push`. The device hashes what it wrote before the file gets its name."""
        self._transfers.push(local, remote, timeout=timeout, progress=progress)

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.pull`."""
        self._transfers.pull(remote, local, timeout=timeout, progress=progress)

    def close(self) -> None:
        """See `Link.close`."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _drain(channel: "paramiko.Channel", receive: Callable[[int], bytes], output: Output) -> None:
    """Read a stream to its end; a command that writes too much is ended, and the rest dropped."""
    was_let_go = False
    while chunk := receive(CHUNK):
        output.add(chunk)
        if output.overflowed and not was_let_go:
            was_let_go = True
            channel.shutdown_write()


class _SshRunning:
    """A command on a channel of its own."""

    def __init__(self, session: SshSession, channel: "paramiko.Channel", what: str, stack: ExitStack) -> None:
        self._session = session
        self._channel = channel
        self._what = what
        self._stack = stack
        self._lines = Lines(self._receive)

    def read_line(self, *, timeout: float) -> bytes:
        """See `Running.read_line`."""
        try:
            return self._lines.next(timeout)
        except TimeoutError as error:
            where = self._session.target.label
            raise DeviceUnreachable(f"{self._what} on {where} wrote no line within {timeout:g} s") from error

    def _receive(self, seconds: float) -> bytes:
        self._channel.settimeout(seconds)
        chunk = self._channel.recv(CHUNK)
        if not chunk and not self._channel.eof_received:
            self._session.fail(self._what, EOFError())
        return chunk

    def write(self, data: bytes) -> None:
        """See `Running.write`."""
        try:
            self._channel.settimeout(OPEN_SECONDS)
            self._channel.sendall(data)
        except OSError as error:  # a timeout, too
            raise DeviceUnreachable(f"{self._what} on {self._session.target.label} has ended") from error

    def close(self) -> None:
        """See `Running.close`. The connection of one that stays is closed.

        dropbear 2022 gives a new channel the number of a closed one, and then the end of the old command.
        """
        with contextlib.suppress(DeviceUnreachable):
            with contextlib.suppress(OSError, EOFError):
                self._channel.shutdown_write()
            if not self._channel.status_event.wait(_END_SECONDS):
                self._session.close()
            self._stack.close()
