"""The link to this machine: subprocesses and file copies, behaving as a device does."""

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from edgeq.devices.child import Child
from edgeq.devices.link import CommandResult, Progress, Running, beside, shown
from edgeq.devices.output import too_much
from edgeq.devices.supervision import supervised
from edgeq.errors import DeadlineError, DeployError, DeviceError, DeviceUnreachable


class LocalLink:
    """A `Link` to the machine that edgeq runs on."""

    def __init__(self) -> None:
        self._children: set[Child] = set()
        self._lock = threading.Lock()

    def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        """See `Link.run`."""
        what = shown(argv)
        until = time.monotonic() + timeout
        try:
            child = Child(supervised(argv, environment or {}), stderr=subprocess.PIPE)
        except OSError as error:  # an argument list that is too long, or no process to be had
            said = f"{argv[0]}: {error.strerror}\n".encode()
            return CommandResult(argv=tuple(argv), exit_code=126, stdout=b"", stderr=said)
        with self._held(child):
            try:
                output, errors = child.read_all(until)
                child.process.wait(max(0.0, until - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired) as error:
                raise DeadlineError(
                    f"{what} did not end within {timeout:g} s; it was stopped",
                    hint="give it more time, or see what the machine is busy with",
                ) from error
            if child.is_let_go:
                raise DeviceUnreachable(f"{what} was stopped: the link was closed")
            if output.overflowed or errors.overflowed:
                raise too_much(what, "this machine")
        code = child.process.returncode
        return CommandResult(
            argv=tuple(argv),
            exit_code=128 - code if code < 0 else code,
            stdout=bytes(output.data),
            stderr=bytes(errors.data),
        )

    def start(self, argv: Sequence[str]) -> Running:
        """See `Link.start`."""
        try:
            child = Child(argv, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise DeviceError(f"cannot start {shown(argv)}: {error.strerror}") from error
        with self._lock:
            self._children.add(child)
        return child

    @contextlib.contextmanager
    def _held(self, child: Child) -> Iterator[None]:
        """A child that a `close` in another thread ends, and that is gone when the block ends."""
        with self._lock:
            self._children.add(child)
        try:
            yield
        finally:
            child.close()
            with self._lock:
                self._children.discard(child)

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:  # noqa: ARG002 - a local copy needs no deadline
        """See `Link.push`."""
        _copy(local, Path(remote), f"copying {local.name} to {remote}", DeployError, progress)

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:  # noqa: ARG002
        """See `Link.pull`."""
        _copy(Path(remote), local, f"copying {remote}", DeviceError, progress)

    def close(self) -> None:
        """See `Link.close`."""
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _copy(
    source: Path, target: Path, what: str, error_type: type[DeviceError], progress: Progress | None
) -> None:
    with _refused(what, error_type):
        aside = Path(beside(str(target)))
        try:
            shutil.copy(source, aside)
            aside.replace(target)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
        size = target.stat().st_size
    if progress is not None:
        progress(size, size)


@contextlib.contextmanager
def _refused(what: str, error_type: type[DeviceError]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise error_type(f"{what}: {error.strerror or error}") from error
