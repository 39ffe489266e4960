"""A link over adb: the phone's shell does everything, copies included, through the real `adb` program.

A copy is one command on the phone that takes the bytes from its input, hashes what it wrote and renames it:
an adb client that is killed half-way leaves nothing under any name. `adb push` would leave half a file, and
is no faster: 200 MB to adbd on the same machine took 0.45 s either way.
"""

import contextlib
import re
import secrets
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from edgeq.devices.adb.client import ANSWER_SECONDS, AdbClient, AdbTarget
from edgeq.devices.child import Child
from edgeq.devices.copying import (
    check_received,
    check_sent,
    read_chunks,
    receive_command,
    send_command,
    take_file,
)
from edgeq.devices.link import CommandResult, Progress, Running, beside, printable
from edgeq.devices.output import CHUNK, too_much
from edgeq.devices.supervision import supervised
from edgeq.errors import DeadlineError, DeviceUnreachable, HostError

# How often a phone that is at work is asked whether it is still there.
_WATCH_SECONDS = 10.0


class AdbLink:
    """A `Link` over adb; looks for the phone on first use."""

    def __init__(self, target: AdbTarget) -> None:
        self._client = AdbClient(target)
        self._children: set[Child] = set()
        self._lock = threading.Lock()

    def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """See `Link.run`."""
        what, until = f"`{shlex.join(argv)[:200]}`", time.monotonic() + timeout
        with self._conversation(supervised(argv, environment or {}), what, timeout) as talk:
            output, errors = talk.child.read_all(until)
            if output.overflowed or errors.overflowed:
                raise too_much(what, "the phone")
            code, said = talk.end(bytes(errors.data))
        return CommandResult(argv=tuple(argv), exit_code=code, stdout=bytes(output.data), stderr=said)

    def start(self, argv: Sequence[str]) -> Running:
        """See `Link.start`."""
        return self._hold(f"exec {shlex.join(argv)} 2>/dev/null", subprocess.DEVNULL)

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.push`. The phone hashes what it wrote before the file gets its name."""
        size, until = local.stat().st_size, time.monotonic() + timeout
        what = f"pushing {local.name} to {remote}"
        script = receive_command(local, remote, beside(remote))
        with self._conversation(script, what, timeout) as talk, local.open("rb") as file:
            with _killed_after(timeout, talk.child):
                _give(talk.child, read_chunks(file, CHUNK, what), size, progress)
            output, errors = talk.child.read_all(until)
            code, said = talk.end(bytes(errors.data))
        check_received(code, bytes(output.data), said, what=what, where="the phone", remote=remote, size=size)

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.pull`."""
        what, until = f"pulling {remote} from the phone", time.monotonic() + timeout
        aside, word = Path(beside(str(local))), secrets.token_hex(8)
        try:
            with self._conversation(supervised(send_command(remote, word), {}), what, timeout) as talk:

                def receive(size: int) -> bytes:
                    return talk.child.receive(max(0.0, until - time.monotonic()), size)

                with aside.open("xb") as file:
                    sha256 = take_file(receive, file, word, what, at_once=CHUNK, progress=progress)
                _, errors = talk.child.read_all(until)
                code, said = talk.end(bytes(errors.data))
            check_sent(code, sha256, said, what=what, where="the phone")
            aside.replace(local)
        finally:
            aside.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Link.close`."""
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.close()
        self._client.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _hold(self, line: str, stderr: int) -> Child:
        """An adb client that gives `line` to the phone's shell and ends with this link."""
        command = self._client.shell(line)
        try:
            child = Child(command, stderr=stderr)
        except OSError as error:  # an argument list that is too long, or no process to be had
            raise HostError(f"cannot start {command[0]}: {error.strerror}") from error
        with self._lock:
            self._children.add(child)
        return child

    @contextlib.contextmanager
    def _conversation(self, argv: Sequence[str], what: str, timeout: float) -> Iterator["_Talk"]:
        """A command on the phone; afterwards it has ended, and its adb client too."""
        word = secrets.token_hex(8)
        talk = _Talk(self._hold(f"{shlex.join(argv)}; echo {word} $? >&2", subprocess.PIPE), word.encode())
        try:
            with self._watched(talk):
                yield talk
        except (TimeoutError, EOFError) as error:
            self._client.forget()
            if talk.child.is_let_go:
                raise DeviceUnreachable(f"{what} was stopped: the link was closed") from error
            if isinstance(error, TimeoutError) and not talk.is_lost:
                raise DeadlineError(
                    f"{what} on the phone did not end within {timeout:g} s; it was stopped",
                    hint="give it more time, or see what the phone is busy with",
                ) from error
            silent = f"it has not answered for {ANSWER_SECONDS:g} s" if talk.is_lost else ""
            raise DeviceUnreachable(
                f"{what}: lost the phone: {silent or str(error) or 'the connection was closed'}",
                hint="look at the cable and at `adb devices`",
            ) from error
        finally:
            talk.child.close()
            with self._lock:
                self._children.discard(talk.child)

    @contextlib.contextmanager
    def _watched(self, talk: "_Talk") -> Iterator[None]:
        """End the adb client when the phone is not heard of any more; adb itself would wait for ever."""
        serial, over = self._client.select(), threading.Event()

        def watch() -> None:
            while not over.wait(_WATCH_SECONDS):
                if not self._client.answers(serial) and not over.is_set():
                    talk.is_lost = True
                    talk.child.process.kill()
                    return

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()


class _Talk:
    """A command on the phone, which writes `word` and its exit code to stderr at its end.

    adb's own exit code is of no use: 1 is the command's as well as that of a cable that came out.
    """

    def __init__(self, child: Child, word: bytes) -> None:
        self.child = child
        self.is_lost = False
        self._word = word

    def end(self, errors: bytes) -> tuple[int, bytes]:
        """Exit code and stderr of the command.

        Raises:
            EOFError: it did not come to an end of its own; with adb's words.
        """
        said, _, rest = errors.rpartition(self._word)
        code = re.match(rb" ([0-9]{1,3})\n", rest)
        if self.child.is_let_go or code is None:
            raise EOFError(printable(errors).strip()[-500:])
        return int(code[1]), said


@contextlib.contextmanager
def _killed_after(timeout: float, child: Child) -> Iterator[None]:
    """Writing to a link that stands still has no deadline of its own."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        child.process.kill()

    timer = threading.Timer(timeout, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimeoutError


def _give(child: Child, chunks: Iterator[bytes], size: int, progress: Progress | None) -> None:
    done = 0
    with contextlib.suppress(DeviceUnreachable):  # it has ended early, and says why
        for chunk in chunks:
            child.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, size)
    child.end_input()
