"""Runs jobs on a device, whatever runs them there: one job, one process, one result document."""

import tempfile
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from edgeq.devices.link import Link, Progress
from edgeq.errors import DeviceError, RunnerError
from edgeq.runner.job import Job, Result

# The runner ends itself at the job's deadline; the link waits this much longer for it to say so.
GRACE_SECONDS = 60


class JobLauncher(AbstractContextManager["JobLauncher"]):
    """A runner on one device, ready between entry and exit.

    Attributes:
        executorch: version of ExecuTorch that runs there.
    """

    def __init__(self, link: Link, executorch: str, work_folder: str, progress: Progress | None) -> None:
        """Make one for a device; `work_folder` is edgeq's own there."""
        self.executorch = executorch
        self._link = link
        self._root = work_folder
        self._progress = progress
        self._folder = ""
        self._count = 0

    @abstractmethod
    def deploy(self, files: Mapping[str, Path]) -> str:
        """Put `files` onto the device and return their folder; what is there is not sent again."""

    @abstractmethod
    def push(self, local: Path, remote: str) -> None:
        """Copy a file that only this run needs to the device."""

    @abstractmethod
    def pull(self, remote: str) -> bytes:
        """Content of a file that a job wrote."""

    @abstractmethod
    def _execute(self, job: Job, job_path: str, result_path: str) -> str:
        """Run the job to its end and return what the runner said."""

    def run_path(self, name: str) -> str:
        """A path in the run folder, for what a job writes."""
        return f"{self._folder}/{name}"

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
            self.push(local, job_path)
        said = self._execute(job, job_path, result_path)
        try:
            document = self.pull(result_path)
        except DeviceError as missing:
            message = f"the runner left no result in the {job.kind} pass; it said: {said or 'nothing'}"
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
        if result.executorch != self.executorch:
            raise RunnerError(
                f"the runner on the device is built for ExecuTorch {result.executorch}, "
                f"{self.executorch} was deployed"
            )
        return result
