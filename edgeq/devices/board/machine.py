"""The emulated board: an arm64 Linux under qemu-system-aarch64, reached over SSH on the loopback interface.

One core, and `-icount shift=0`: its clock advances one nanosecond an instruction while it computes. The
machine ends with its `with` block; the kernel kills it should this process die first.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from edgeq.devices.board.image import READY, find_image, write_overlay
from edgeq.devices.board.keys import BoardKeys, find_keys
from edgeq.devices.link import Link, printable
from edgeq.devices.profile import BoardSpec
from edgeq.devices.ssh.link import SshLink
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import DeviceError, DeviceUnreachable, EdgeqError, HostError

QEMU = "qemu-system-aarch64"
BOOT_SECONDS = 120.0
_HOST = "127.0.0.1"
_ATTEMPTS = 5
# Its connections break this much earlier, at most, than a machine that dies is seen to be dead.
_DYING_SECONDS = 2.0
_PORT_TAKEN = "Could not set up host forwarding rule"
_TOOLS = {QEMU: "qemu-system-arm", "setpriv": "util-linux"}


@contextlib.contextmanager
def open_board(
    spec: BoardSpec,
    *,
    preload: Mapping[str, Path] | None = None,
    announce: Callable[[str], None] | None = None,
    **_: object,
) -> Iterator[Link]:
    """Boot a board and give the link to it; it is gone when the block ends.

    Args:
        spec: which core, how much memory.
        preload: files that are on the board from the start: path on it -> file here.
        announce: called with a line when something that takes time begins.

    Raises:
        HostError: QEMU is missing, or the board's packages cannot be had.
        DeviceError: QEMU refused to start it.
        DeviceUnreachable: it did not boot, or stopped. The end of its console is in both messages.
    """
    say = announce or (lambda _line: None)
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise HostError(
                f"an emulated board needs {tool}, which is not on this machine",
                hint=f"apt-get install --no-install-recommends {package}",
            )
    image, keys = find_image(say), find_keys()
    with tempfile.TemporaryFile() as root, tempfile.TemporaryFile() as console:
        _join_root(root, image[1], keys, preload or {})
        say(f"board: booting {spec.cpu}")
        with _boot(spec, image[0], root, console) as (machine, port):
            target = SshTarget(_HOST, port, "root", keys.client_private, pinned=keys.host_public.read_text())
            with SshLink(target) as link:
                try:
                    yield link
                except DeviceUnreachable as error:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        machine.wait(_DYING_SECONDS)
                        words = _last_words(machine, console)
                        raise DeviceUnreachable(f"{error.message}; {words}") from error
                    raise


def _join_root(root: BinaryIO, base: Path, keys: BoardKeys, preload: Mapping[str, Path]) -> None:
    with base.open("rb") as archive:
        shutil.copyfileobj(archive, root, 1 << 20)
    write_overlay(root, keys, preload)
    root.flush()


@contextlib.contextmanager
def _boot(
    spec: BoardSpec, kernel: Path, root: BinaryIO, console: BinaryIO
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A booted machine and the port of its SSH server; the port may be taken meanwhile, then another is."""
    for attempt in range(_ATTEMPTS):
        port = _free_port()
        with _machine(_arguments(spec, kernel, root, port), root, console) as machine:
            if _await_ready(machine, console):
                yield machine, port
                return
            words = _last_words(machine, console)
        if _PORT_TAKEN not in words or attempt == _ATTEMPTS - 1:
            raise _boot_error(spec, machine, words)
        console.seek(0)
        console.truncate()


def _boot_error(spec: BoardSpec, machine: subprocess.Popen[bytes], words: str) -> EdgeqError:
    what = f"the board with {spec.cpu} did not boot: {words}"
    if machine.returncode > 0:  # refused by QEMU itself; we end it by a signal, which is negative
        return DeviceError(what, hint=f"`{QEMU} -M virt -cpu help` lists the cores that it knows")
    return DeviceUnreachable(what, hint="try again when the machine is less busy")


def _arguments(spec: BoardSpec, kernel: Path, root: BinaryIO, port: int) -> list[str]:
    """QEMU's command line. `sleep=off` is no option: an idle guest's clock would race, timeouts with it."""
    return [
        *(QEMU, "-M", "virt", "-cpu", spec.cpu, "-smp", "1", "-m", str(spec.memory_mib)),
        *("-icount", "shift=0", "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-monitor", "none", "-serial", "stdio"),
        *("-kernel", str(kernel), "-initrd", f"/proc/self/fd/{root.fileno()}"),
        *("-append", "console=ttyAMA0 quiet panic=-1 rdinit=/init"),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:{_HOST}:{port}-:22"),
        # No boot ROM: Debian keeps it in a package that this needs for nothing else.
        *("-device", "virtio-net-pci,netdev=net,romfile="),
    ]


@contextlib.contextmanager
def _machine(arguments: list[str], root: BinaryIO, console: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU, running. Files are handed over open and have no name, so nothing is left on a disk either.

    setpriv's death signal fires when the *thread* that started the process ends (prctl(2)), so a thread
    that lives as long as the machine starts it. A session of its own keeps Ctrl-C from it.
    """
    started: list[subprocess.Popen[bytes]] = []
    failed: list[OSError] = []
    ready = threading.Event()

    def keep() -> None:
        try:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=(root.fileno(),),
                start_new_session=True,
            )
            started.append(process)
        except OSError as error:
            failed.append(error)
            return
        finally:
            ready.set()
        process.wait()

    keeper = threading.Thread(target=keep, name="board", daemon=True)
    keeper.start()
    try:
        ready.wait()
        if failed:
            raise HostError(f"cannot start {QEMU}: {failed[0]}")
        yield started[0]
    finally:
        for process in started:
            process.kill()
        keeper.join()


def _await_ready(machine: subprocess.Popen[bytes], console: BinaryIO) -> bool:
    """Whether the board said that its SSH server listens."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline and machine.poll() is None:
        if READY in _read(console):
            return True
        time.sleep(0.05)
    return False


def _last_words(machine: subprocess.Popen[bytes], console: BinaryIO) -> str:
    lines = [line for line in printable(_read(console)).splitlines() if line.strip()]
    state = "it still ran" if machine.poll() is None else f"QEMU ended with exit code {machine.returncode}"
    return f"{state}; the last lines of its console:\n" + "\n".join(lines[-20:] or ["(nothing)"])


def _read(console: BinaryIO) -> bytes:
    """What is on the console, without moving the position at which QEMU writes."""
    return os.pread(console.fileno(), 1 << 20, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
