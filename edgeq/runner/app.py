"""The runner as an Android app: installed for one session, and given its files through `run-as`.

The app's own storage is where an app maps its programs from. Nothing of it was run on a phone.
"""

import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Self

from edgeq.cache import file_sha256
from edgeq.devices.adb.app import get_file, has_file, installed_app, instrument, put_file
from edgeq.devices.deploy import deploy_folder, make_run_folder
from edgeq.devices.link import Link, Progress
from edgeq.errors import InputError, RunnerError
from edgeq.results.records import Record
from edgeq.runner.job import JOB_SCHEMA, Job
from edgeq.runner.jobs import GRACE_SECONDS, JobLauncher

_FACTS = "assets/edgeq-runner.json"
_LIBRARY = "lib/arm64-v8a/libexecutorch"
_BUILD = (
    "android_runner/README.md says how Gradle builds one; what scripts/build-android makes has no runtime"
)


class Apk(Record, frozen=True, kw_only=True):
    """The runner's app as a file, and the ExecuTorch that it was built with."""

    path: Path
    executorch: str


def read_apk(path: Path) -> Apk:
    """Look into an .apk.

    Raises:
        InputError: no app, not the runner, of another schema of jobs, or one without ExecuTorch inside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            facts = json.loads(archive.read(_FACTS)) if _FACTS in names else {}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        # RuntimeError: encrypted, compressed in an unknown way, or JSON that is too deep.
        raise InputError(f"{path} is no whole app: {error}", hint=_BUILD) from error
    if not isinstance(facts, dict) or not isinstance(facts.get("executorch"), str):
        raise InputError(f"{path} is not edgeq's runner: it has no {_FACTS}", hint=_BUILD)
    if facts.get("schema") != JOB_SCHEMA:
        raise InputError(f"{path} reads jobs of schema {facts.get('schema')}, not {JOB_SCHEMA}", hint=_BUILD)
    if not any(name.startswith(_LIBRARY) and name.endswith(".so") for name in names):
        raise InputError(f"{path} has no ExecuTorch inside: no {_LIBRARY}*.so", hint=_BUILD)
    return Apk(path=path, executorch=facts["executorch"])


class AppLauncher(JobLauncher):
    """The app on one phone, installed on entry and uninstalled on exit, with all that it was given."""

    def __init__(
        self,
        link: Link,
        apk: Apk,
        work_folder: str,
        progress: Progress | None,
        announce: Callable[[str], None],
    ) -> None:
        """Make one for a phone; see `JobLauncher` and `installed_app`."""
        super().__init__(link, apk.executorch, work_folder, progress)
        self._apk = apk.path
        self._announce = announce
        self._stack = ExitStack()
        self._staging = ""
        self._placed: set[str] = set()

    def __enter__(self) -> Self:
        """Install the app.

        Raises:
            DeployError, DeviceError, DeviceUnreachable: as the phone says.
        """
        with ExitStack() as stack:
            folder = deploy_folder(self._link, self._root, {"runner.apk": self._apk}, self._progress)
            self._staging = stack.enter_context(make_run_folder(self._link, self._root))
            size = self._apk.stat().st_size
            app = installed_app(self._link, f"{folder}/runner.apk", size, self._announce)
            self._folder = f"{stack.enter_context(app)}/files/edgeq"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def deploy(self, files: Mapping[str, Path]) -> str:
        """See `JobLauncher.deploy`. The shell's store keeps them; the app loses its copy when it goes."""
        store = deploy_folder(self._link, self._root, files, self._progress)
        folder = f"{self._folder}/{PurePosixPath(store).name}"
        if folder not in self._placed:
            for name, path in files.items():
                put_file(self._link, f"{store}/{name}", f"{folder}/{name}", file_sha256(path))
            self._placed.add(folder)
        return folder

    def push(self, local: Path, remote: str) -> None:
        """See `JobLauncher.push`."""
        staged = f"{self._staging}/{PurePosixPath(remote).name}"
        self._link.push(local, staged, timeout=600, progress=self._progress)
        put_file(self._link, staged, remote, file_sha256(local))

    def pull(self, remote: str) -> bytes:
        """See `JobLauncher.pull`."""
        staged = f"{self._staging}/{PurePosixPath(remote).name}"
        get_file(self._link, remote, staged)
        with tempfile.TemporaryDirectory(prefix="edgeq-pull-") as folder:
            local = Path(folder) / "file"
            self._link.pull(staged, local, timeout=600, progress=self._progress)
            return local.read_bytes()

    def _execute(self, job: Job, job_path: str, result_path: str) -> str:
        answer = instrument(self._link, job_path, result_path, timeout=job.deadline + GRACE_SECONDS)
        # At the job's deadline the app writes its result, and then ends its own process.
        if answer.crash is not None and not has_file(self._link, result_path):
            raise RunnerError(
                f"the app crashed in the {job.kind} pass: {answer.crash}",
                hint="`adb logcat -b crash -d` tells where",
            )
        return answer.said
