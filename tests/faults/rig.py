"""A device to break, and `edgeq bench` as a user starts it: exit code, stderr, what is left on both sides."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from faults.proxy import Proxy
from peers import Sshd, await_end, is_alive, run_sshd

PROGRAM = "edgeq-runner"
SECONDS = 120
# One inference, one pass: the quickest run that puts the runner to work.
QUICK = ("--measure", "latency", "--warmup", "0", "--iterations", "1")
# A pass that does not end before something ends it.
LONG = ("--measure", "latency", "--warmup", "0", "--iterations", "100000000", "--timeout", "100")

During = Callable[["subprocess.Popen[str]"], None]


@dataclass(frozen=True)
class Answer:
    """What `edgeq bench` answered; `runs` are those of its report, empty without one."""

    exit_code: int
    stderr: str
    runs: list[dict]


@dataclass(frozen=True)
class Place:
    """What the profile of the device says beside its port."""

    key: Path
    known_hosts: Path
    work_folder: str
    user: str | None = None
    free_disk: int = 0


class Rig:
    """One device behind a proxy.

    Attributes:
        name: kind of link, as the table names it.
        place: as the profile is written for the next run.
    """

    name = "ssh"

    def __init__(self, folder: Path, artifact: Path, proxy: Proxy, place: Place) -> None:
        self.folder = folder
        self.artifact = artifact
        self.proxy = proxy
        self.place = place
        for each in ("out", "tmp"):
            (folder / each).mkdir()

    def bench(self, *options: str, during: During | None = None) -> Answer:
        """Bench the artifact on the device; `during` is called when the command has begun."""
        report = self.folder / "out/report.json"
        report.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "edgeq", "bench", str(self.artifact), "--device", self._write_profile()]
        argv += ["--json", str(report), "--store", str(self.folder / "runs.sqlite"), *options]
        process = subprocess.Popen(
            argv,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
        )
        try:
            if during is not None:
                during(process)
            _, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            process.wait()
        runs = json.loads(report.read_bytes())["runs"] if report.exists() else []
        return Answer(process.returncode, errors, runs)

    @contextlib.contextmanager
    def changed(self, **place: object) -> Iterator[None]:
        """The profile with other values."""
        before = self.place
        self.place = replace(before, **place)
        try:
            yield
        finally:
            self.place = before

    def _write_profile(self) -> str:
        config = self.folder / "ssh_config"
        # A device that does not answer is given up soon, so that a test need not wait.
        config.write_text("Host *\n  ServerAliveInterval 2\n  ServerAliveCountMax 2\n")
        path, place = self.folder / f"{self.name}.toml", self.place
        lines = [
            *("schema = 1", 'description = "a device to break"', f'work_folder = "{place.work_folder}"'),
            *("[limits]", f"free_disk = {place.free_disk}"),
            *("[link]", 'type = "ssh"', 'host = "127.0.0.1"', f"port = {self.proxy.port}"),
            *(f'key = "{place.key}"', f'known_hosts = "{place.known_hosts}"', f'config = "{config}"'),
            *([f'user = "{place.user}"'] if place.user else []),
        ]
        path.write_text("\n".join(lines))
        return str(path)

    def await_runner(self) -> int:
        """The runner's process on the device, when it has begun to measure."""
        until = time.monotonic() + SECONDS
        while not (found := self.programs()):
            assert time.monotonic() < until, "no runner was started"
            time.sleep(0.02)
        time.sleep(0.1)
        return found[0]

    def programs(self) -> list[int]:
        """Processes of the runner itself on the device."""
        raise NotImplementedError

    def runners(self) -> list[int]:
        """Processes of the runner, and of what supervises it, on the device."""
        raise NotImplementedError

    def signal_runner(self, number: int) -> None:
        """Send a signal to the runner, as somebody on the device may."""
        raise NotImplementedError

    def files(self) -> list[str]:
        """All that is in the device's work folder."""
        raise NotImplementedError

    def leftovers(self) -> list[str]:
        """Files on the device that no finished run has there: run folders, files that are not whole."""
        return [name for name in self.files() if name.startswith("run.") or "/." in name]

    def half_written(self) -> list[str]:
        """Files of this machine that should not be there after a command."""
        inside = [*(self.folder / "tmp").rglob("*"), *(self.folder / "out").iterdir()]
        return [str(path.relative_to(self.folder)) for path in inside if path.name != "report.json"]

    def clear_host(self) -> None:
        """Forget what a killed command left in the folder for temporary files."""
        for path in sorted((self.folder / "tmp").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


class LoopbackRig(Rig):
    """This machine behind Debian's sshd."""

    def __init__(self, folder: Path, artifact: Path, server: Sshd) -> None:
        target = server.target
        proxy = Proxy((target.host, target.port))
        known = folder / "known_hosts_of_proxy"
        known.write_text(f"[127.0.0.1]:{proxy.port} {(folder / 'host.pub').read_text()}")
        super().__init__(folder, artifact, proxy, Place(target.key, known, f"{folder}/work folder"))
        self.bin = folder / "bin"
        self.root = Path(self.place.work_folder)
        self._bytes: dict[bool, int] = {}

    def bytes_of_a_run(self, cold: bool) -> int:
        """Bytes that a run with all passes moves, to a device that has nothing, or everything."""
        if not self._bytes:
            self.forget()
            for each in (True, False):
                before = self.proxy.passed
                answer = self.bench("--warmup", "0", "--iterations", "1")
                assert answer.exit_code == 0, answer.stderr
                self._bytes[each] = self.proxy.passed - before
            self.forget() if cold else None
        return self._bytes[cold]

    def runners(self) -> list[int]:
        """By the work folder in their command line."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes()
                if self.place.work_folder.encode() in words and PROGRAM.encode() in words:
                    found.append(int(path.parent.name))
        return [pid for pid in found if is_alive(pid)]

    def programs(self) -> list[int]:
        """See `Rig.programs`."""
        return [pid for pid in self.runners() if _program_of(pid) == PROGRAM]

    def signal_runner(self, number: int) -> None:
        """See `Rig.signal_runner`."""
        for pid in self.programs():
            os.kill(pid, number)

    def files(self) -> list[str]:
        """See `Rig.files`."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def forget(self) -> None:
        """An empty device again."""
        subprocess.run(["rm", "-rf", self.root], check=True)


@contextlib.contextmanager
def loopback_rig(folder: Path, artifact: Path) -> Iterator[LoopbackRig]:
    """A rig in `folder`; all of it ends with the block."""
    with run_sshd(folder) as server:
        rig = LoopbackRig(folder, artifact, server)
        try:
            yield rig
        finally:
            rig.proxy.close()


def _program_of(pid: int) -> str:
    """Name of the file that a process runs, empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name
    return ""


def export_digits(folder: Path) -> Path:
    """The artifact that all faults are tried with: digits, INT8; quick when it is in the cache."""
    argv = [sys.executable, "-m", "edgeq", "export", "digits", "--recipe", "int8", "--out", str(folder)]
    subprocess.run(argv, check=True, capture_output=True, timeout=600)
    return folder / "digits.int8"


def kill(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """End a command from outside."""
    process.send_signal(number)
    assert await_end(process.pid, 30)
