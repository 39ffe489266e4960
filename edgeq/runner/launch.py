"""Puts the native runner on a device and starts it there, a process for each job."""

import signal
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from edgeq.devices.deploy import deploy_folder, make_run_folder
from edgeq.devices.link import Link, Progress, printable
from edgeq.errors import RunnerError
from edgeq.runner.build import RunnerBundle
from edgeq.runner.job import Job
from edgeq.runner.jobs import GRACE_SECONDS, JobLauncher
from edgeq.runner.standalone import start_command, system_files

# What to do about an exit code of the runner.
_HINTS = {
    126: "the device does not run programs there: is its file system mounted `noexec`? "
    "choose another `work_folder` in the device profile",
    137: "SIGKILL comes from Linux when memory runs out (`dmesg` on the device says so), or from somebody",
    132: "it used an instruction that this core does not have; `edgeq device check` lists its features",
}


class Launcher(JobLauncher):
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
        super().__init__(link, bundle.executorch, work_folder, progress)
        self._bundle = bundle
        self._stack = ExitStack()
        self._standalone = standalone
        self._command: list[str] = []
        self._environment: dict[str, str] = {}

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

    def push(self, local: Path, remote: str) -> None:
        """Copy a file that only this run needs to the device."""
        self._link.push(local, remote, timeout=600, progress=self._progress)

    def pull(self, remote: str) -> bytes:
        """Content of a file that a job wrote."""
        with tempfile.TemporaryDirectory(prefix="edgeq-pull-") as folder:
            local = Path(folder) / "file"
            self._link.pull(remote, local, timeout=600, progress=self._progress)
            return local.read_bytes()

    def _execute(self, job: Job, job_path: str, result_path: str) -> str:
        argv = (*self._command, job_path, result_path)
        seconds = job.deadline + GRACE_SECONDS
        answer = self._link.run(argv, timeout=seconds, environment=self._environment)
        said = printable(answer.stderr).strip()[-1000:]
        if answer.exit_code not in (0, 1):
            raise RunnerError(
                f"the runner {_ending(answer.exit_code)} in the {job.kind} pass; "
                f"it said: {said or 'nothing'}",
                hint=_HINTS.get(answer.exit_code),
            )
        return said


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
