"""The link to this machine: subprocesses and file copies, behaving as a device does."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from edgeq.devices.link import CommandResult, Progress, beside
from edgeq.errors import DeployError, DeviceError, DeviceUnreachable


class LocalLink:
    """A `Link` to the machine that edgeq runs on."""

    def run(self, argv: Sequence[str], *, timeout: float) -> CommandResult:
        """See `Link.run`; 127 and 126 are a shell's exit codes for a program that is missing or not one."""
        # Files, not pipes: a child of the command that outlives it would keep a pipe open.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
                )
            except OSError as error:
                code = 127 if isinstance(error, FileNotFoundError) else 126
                said = f"{argv[0]}: {error.strerror}\n".encode()
                return CommandResult(argv=tuple(argv), exit_code=code, stdout=b"", stderr=said)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired as error:
                raise DeviceUnreachable(
                    f"`{shlex.join(argv)[:200]}` did not end within {timeout:g} s; it was stopped"
                ) from error
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            output.seek(0)
            errors.seek(0)
            return CommandResult(
                argv=tuple(argv),
                exit_code=128 - code if code < 0 else code,
                stdout=output.read(),
                stderr=errors.read(),
            )

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:  # noqa: ARG002 - a local copy needs no deadline
        """See `Link.push`."""
        _copy(local, Path(remote), f"copying {local.name} to {remote}", DeployError, progress)

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:  # noqa: ARG002
        """See `Link.pull`."""
        _copy(Path(remote), local, f"copying {remote}", DeviceError, progress)

    def close(self) -> None:
        """Nothing is open."""

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
