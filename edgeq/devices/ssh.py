"""A link over SSH, by paramiko: strict host keys, every call with a deadline, files whole or not at all.

The login shell of the device must be a POSIX shell. Nothing here asks for a password; keys come from the
profile's file, or else from the agent and the user's default keys.
"""

import contextlib
import errno
import re
import secrets
import shlex
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn, Self

from edgeq.cache import file_sha256
from edgeq.devices.link import CommandResult, Progress, beside
from edgeq.devices.ssh_client import OPEN_SECONDS, SshTarget, open_client
from edgeq.errors import DeployError, DeviceError, DeviceUnreachable, EdgeqError, HostError
from edgeq.plain import printable
from edgeq.units import format_quantity

if TYPE_CHECKING:
    import paramiko

# Most bytes of one stream of one command that are kept; a command that writes more is an error.
OUTPUT_LIMIT = 256_000_000
_CHUNK = 1 << 16
_CLEANUP_SECONDS = 15.0

# Says which process it is after the word `$1`, and becomes the command; with setsid the command leads a
# group, so that what it started ends with it. An SSH server ends nothing by itself when a channel closes.
_START = 'echo "$1 $$" >&2; shift; command -v setsid >/dev/null && exec setsid "$@"; exec "$@"'
_END = "for s in TERM KILL; do kill -$s -{pid} || kill -$s {pid} || exit 0; [ $s = KILL ] || sleep 1; done"


def _do_nothing() -> None:
    pass


class _Stream:
    """One of a command's two output streams; the command is let go when it writes too much."""

    def __init__(self, channel: "paramiko.Channel", receive: Callable[[int], bytes], data: bytearray) -> None:
        self._channel = channel
        self._receive = receive
        self.data = data
        self.overflowed = False

    def drain(self) -> None:
        """Read to the end."""
        while chunk := self._receive(_CHUNK):
            self.data += chunk
            if len(self.data) > OUTPUT_LIMIT:
                self.overflowed = True
                self._channel.close()
                return


class SshLink:
    """A `Link` over SSH; connects on first use."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._client: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def run(self, argv: Sequence[str], *, timeout: float) -> CommandResult:
        """See `Link.run`. A command that misses its deadline is ended on the device."""
        what, word, errors = f"`{shlex.join(argv)[:200]}`", secrets.token_hex(8), bytearray()
        started = re.compile(rb"(?m)^%b ([0-9]{1,10})\n" % word.encode())

        def end() -> None:
            if found := started.search(errors):
                script = _END.format(pid=int(found[1]))
                self._execute(script, f"ending {what}", _CLEANUP_SECONDS, bytearray(), _do_nothing)

        start = shlex.join(["sh", "-c", _START, "sh", word, *argv])
        code, output = self._execute(start, what, timeout, errors, end)
        stderr = started.sub(b"", errors, count=1)
        return CommandResult(argv=tuple(argv), exit_code=code, stdout=output, stderr=stderr)

    def _execute(
        self, command: str, what: str, timeout: float, stderr: bytearray, end: Callable[[], None]
    ) -> tuple[int, bytes]:
        """Give a line to the device's shell, which turns a signal N into 128 + N: exit code and output.

        Fills `stderr` meanwhile; calls `end` when the deadline has passed.
        """
        with self._channel(what, timeout, end) as channel:
            channel.exec_command(f"{command}; exit $?")
            channel.shutdown_write()
            # Both streams to their end first: the exit status waits behind the output.
            output = _Stream(channel, channel.recv, bytearray())
            errors = _Stream(channel, channel.recv_stderr, stderr)
            reader = threading.Thread(target=errors.drain, daemon=True)
            reader.start()
            output.drain()
            reader.join()
            if output.overflowed or errors.overflowed:
                limit = format_quantity(OUTPUT_LIMIT, "B")
                raise DeviceError(f"{what} on {self.target.host} wrote more than {limit}; stopped reading")
            code = channel.recv_exit_status()
            if code < 0:
                raise EOFError("no exit status came back")
            return code, bytes(output.data)

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.push`. The device hashes what it wrote before the file gets its name."""
        status, aside, until = local.stat(), beside(remote), time.monotonic() + timeout
        what = f"pushing {local.name} to {remote}"
        with local.open("rb") as file, self._transfer(what, timeout) as sftp:
            try:
                sftp.putfo(file, aside, status.st_size, progress)
                self._verify(aside, file_sha256(local), what, until)
                sftp.chmod(aside, stat.S_IMODE(status.st_mode))
                sftp.posix_rename(aside, remote)
            except BaseException as error:
                self._remove(aside)
                if isinstance(error, OSError) and not _is_closed(sftp):
                    self._refuse(what, remote, status.st_size, error)
                raise

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.pull`."""
        aside, until = Path(beside(str(local))), time.monotonic() + timeout
        what = f"pulling {remote} from {self.target.host}"
        try:
            with aside.open("xb") as file, self._transfer(what, timeout) as sftp:
                try:
                    # Its prefetching is a thread that prints a traceback when the connection breaks.
                    sftp.getfo(remote, file, progress, prefetch=False)
                except OSError as error:
                    if _is_closed(sftp):
                        raise
                    # SFTP has no such code: it is this machine's disk.
                    kind = HostError if error.errno == errno.ENOSPC else DeviceError
                    raise kind(f"{what}: {printable(error.strerror or str(error))}") from error
            self._verify(remote, file_sha256(aside), what, until)
            aside.replace(local)
        finally:
            aside.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Link.close`."""
        client, self._client, self._sftp = self._client, None, None
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _remove(self, aside: str) -> None:
        """Remove a file that never became whole, if the device can still be reached."""
        if self._sftp is not None and _is_closed(self._sftp):
            self.close()
        for _ in range(2):  # the connection may have been breaking; then a new one is tried
            try:
                self.run(["rm", "-f", "--", aside], timeout=_CLEANUP_SECONDS)
            except EdgeqError:
                self.close()
            else:
                return

    def _verify(self, remote: str, sha256: str, what: str, until: float) -> None:
        done = self.run(["sha256sum", "--", remote], timeout=max(1.0, until - time.monotonic()))
        done.check(f"{what}: hashing it on {self.target.host}", DeployError)
        if sha256.encode() not in done.stdout:
            raise DeployError(
                f"{what}: the content on {self.target.host} differs from what was sent or received",
                hint="try again; if it happens twice, check the device's storage",
            )

    def _connect(self) -> "paramiko.SSHClient":
        if self._client is None:
            self._client = open_client(self.target)
        return self._client

    @contextlib.contextmanager
    def _channel(self, what: str, timeout: float, end: Callable[[], None]) -> Iterator["paramiko.Channel"]:
        """A new session channel that is closed at the end, or by the deadline; see `_deadline`."""
        import paramiko

        transport = self._connect().get_transport()
        assert transport is not None  # noqa: S101 - optional by its type only; a connected client has one
        try:
            channel = transport.open_session(timeout=min(timeout, OPEN_SECONDS))
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._fail(what, error)
        with self._deadline(channel, what, timeout, end), contextlib.closing(channel):
            yield channel

    @contextlib.contextmanager
    def _transfer(self, what: str, timeout: float) -> Iterator["paramiko.SFTPClient"]:
        """The SFTP session, which stays open for the next transfer."""
        import paramiko

        client = self._connect()
        try:
            self._sftp = self._sftp or client.open_sftp()
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._fail(f"{what} (starting SFTP)", error)
        with self._deadline(_channel_of(self._sftp), what, timeout):
            yield self._sftp

    @contextlib.contextmanager
    def _deadline(
        self, channel: "paramiko.Channel", what: str, timeout: float, end: Callable[[], None] = _do_nothing
    ) -> Iterator[None]:
        """Close `channel` after `timeout` seconds, whatever waits on it then; then call `end`."""
        import paramiko

        expired = threading.Event()

        def expire() -> None:
            expired.set()
            # Whoever waited may have closed the connection before the farewell is sent.
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                channel.close()

        timer = threading.Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not expired.is_set():
                self._fail(what, error)
            # A fresh connection next time: dropbear 2022 gives a new channel the number of the closed one,
            # and then the end of the old command to it.
            self.close()
            with contextlib.suppress(EdgeqError):  # a device that does not answer keeps its command
                end()
            raise DeviceUnreachable(
                f"{what} on {self.target.host} did not end within {timeout:g} s",
                hint="give it more time, or see what the device is busy with",
            ) from error
        finally:
            timer.cancel()

    def _fail(self, what: str, error: Exception) -> NoReturn:
        """The connection is of no more use: let go of it, so that the next call opens another."""
        self.close()
        reason = str(error) or "the connection was closed"
        raise DeviceUnreachable(f"{what}: lost {self.target.host}: {reason}") from error

    def _refuse(self, what: str, remote: str, size: int, error: OSError) -> NoReturn:
        """Turn SFTP's "Failure" into the reason; its protocol (version 3) has no code for a full disk."""
        folder = str(PurePosixPath(remote).parent)
        seen = (
            self.run(["df", "-Pk", folder], timeout=OPEN_SECONDS).stdout.decode(errors="replace").split("\n")
        )
        columns = seen[1].split() if len(seen) > 1 else []
        free = int(columns[3]) * 1024 if re.fullmatch("[0-9]{1,15}", "".join(columns[3:4])) else None
        message = f"{what}: {self.target.host} refused it: {printable(error.strerror or str(error))}"
        if free is None:
            raise DeployError(f"{message}; there is no folder {folder}") from error
        if free < size:
            raise DeployError(
                f"{message}; {format_quantity(free, 'B')} are free there for {format_quantity(size, 'B')}",
                hint=f"make room on the device, or choose another `work_folder` than the one of {folder}",
            ) from error
        raise DeployError(message, hint=f"check the rights of {folder} on the device") from error


def _channel_of(sftp: "paramiko.SFTPClient") -> "paramiko.Channel":
    channel = sftp.get_channel()
    assert channel is not None  # noqa: S101 - optional by its type only; an open session has one
    return channel


def _is_closed(sftp: "paramiko.SFTPClient") -> bool:
    return bool(_channel_of(sftp).closed)
