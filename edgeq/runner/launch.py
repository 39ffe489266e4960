"""Puts the runner on a device and runs jobs there: one job, one process, one result document."""

import signal
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Self

import msgspec

from edgeq.devices.deploy import deploy_folder, make_run_folder
from edgeq.devices.link import Link, Progress, printable
from edgeq.errors import DeviceError, RunnerError
from edgeq.runner.build import RunnerBundle
from edgeq.runner.job import Job, Result
from edgeq.runner.standalone import start_command, system_files

# The runner ends itself at the job's deadline; the link waits this much longer for it to say so.
_GRACE_SECONDS = 60
# What to do about an exit code of the runner.
_HINTS = {
    126: "the device does not run programs there: is its file system mounted `noexec`? "
    "choose another `work_folder` in the device profile",
    137: "SIGKILL comes from Linux when memory runs out (`dmesg` on the device says so), or from somebody",
    132: "it used an instruction that this core does not have; `edgeq device check` lists its features",
}


class Launcher(AbstractContextManager["Launcher"]):
    """The runner on one device, deployed on entry; its run folder is removed on exit."""

    def __init__(
        self,
        link: Link,
        bundle: RunnerBundle,
        work_folder: str,
        progress: Progress | None = None,
        *,
        standalone: bool = False,
    ) -> None:
        """Make one for a device.

        Args:
            link: the device.
            bundle: the runner.
            work_folder: edgeq's folder there.
            progress: told how far the deploying has come.
            standalone: the device has no glibc; the runner brings its own.
        """
        self._link = link
        self._bundle = bundle
        self._root = work_folder
        self._progress = progress
        self._stack = ExitStack()
        self._standalone = standalone
        self._command: list[str] = []
        self._environment: dict[str, str] = {}
        self._folder = ""
        self._count = 0

    def __enter__(self) -> Self:
        """Deploy what is not there yet.

        Raises:
            DeployError, DeviceUnreachable: as the link says.
        """
        folder, libraries = map(self.deploy, runner_files(self._bundle))
        runner = f"{folder}/{self._bundle.runner.name}"
        if self._standalone:
            system = self.deploy(system_files(self._bundle))
            self._command = start_command(self._bundle.arch, system, libraries, runner)
        else:
            self._command, self._environment = [runner], {"LD_LIBRARY_PATH": libraries}
        self._folder = self._stack.enter_context(make_run_folder(self._link, self._root))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def deploy(self, files: Mapping[str, Path]) -> str:
        """Put `files` into the device's store and return their folder; what is there is not sent again."""
        return deploy_folder(self._link, self._root, files, self._progress)

    def run_path(self, name: str) -> str:
        """A path in the run folder, for what a job writes."""
        return f"{self._folder}/{name}"

    def push(self, local: Path, remote: str) -> None:
        """Copy a file that only this run needs to the device."""
        self._link.push(local, remote, timeout=600, progress=self._progress)

    def pull(self, remote: str) -> bytes:
        """Content of a file that a job wrote."""
        with tempfile.TemporaryDirectory(prefix="edgeq-pull-") as folder:
            local = Path(folder) / "file"
            self._link.pull(remote, local, timeout=600, progress=self._progress)
            return local.read_bytes()

    def run(self, job: Job, *, keep: Callable[[Result], None] | None = None) -> Result:
        """Run one job to its end; `keep` is given its result also when that says that the runner failed.

        Raises:
            RunnerError: the runner failed (its stage and ExecuTorch's error are named) or died.
            DeviceUnreachable: the link broke, or the runner did not end in time.
        """
        self._count += 1
        job_path, result_path = (self.run_path(f"{kind}-{self._count}.json") for kind in ("job", "result"))
        with tempfile.TemporaryDirectory(prefix="edgeq-job-") as folder:
            local = Path(folder) / "job.json"
            local.write_bytes(msgspec.json.encode(job))
            self._link.push(local, job_path, timeout=60)
        argv = (*self._command, job_path, result_path)
        seconds = job.deadline + _GRACE_SECONDS
        answer = self._link.run(argv, timeout=seconds, environment=self._environment)
        if answer.exit_code not in (0, 1):
            said = printable(answer.stderr).strip()[-1000:] or "nothing"
            raise RunnerError(
                f"the runner {_ending(answer.exit_code)} in the {job.kind} pass; it said: {said}",
                hint=_HINTS.get(answer.exit_code),
            )
        try:
            document = self.pull(result_path)
        except DeviceError as missing:
            said = printable(answer.stderr).strip()[-1000:] or "nothing"
            message = f"the runner left no result in the {job.kind} pass; it said: {said}"
            raise RunnerError(message) from missing
        result = self._decode(document)
        if keep is not None:
            keep(result)
        if result.error is not None:
            failure = result.error
            where = f"at the stage {failure.stage!r} ({job.kind} pass)"
            raise RunnerError(f"{failure.name} {where}: {failure.message}")
        return result

    def _decode(self, document: bytes) -> Result:
        try:
            result = msgspec.json.decode(document, type=Result)
        except msgspec.DecodeError as error:
            raise RunnerError(f"the runner's result is not one: {error}") from error
        if result.executorch != self._bundle.executorch:
            raise RunnerError(
                f"the runner on the device is built for ExecuTorch {result.executorch}, "
                f"{self._bundle.executorch} was deployed"
            )
        return result


def runner_files(bundle: RunnerBundle) -> tuple[dict[str, Path], dict[str, Path]]:
    """Runner and ExecuTorch's libraries as files to deploy; two sets, since the libraries change rarely."""
    return {bundle.runner.name: bundle.runner}, {library.name: library for library in bundle.libraries}


def _ending(exit_code: int) -> str:
    if exit_code > 128:
        try:
            return f"was ended by {signal.Signals(exit_code - 128).name}"
        except ValueError:
            pass
    return f"ended with exit code {exit_code}"
