"""A phone as adb sees it: the real adbd in namespaces of its own, with what a phone's shell has around it.

Nothing outside reaches it, since adbd lets anybody in: its network is private, and `Phone.adb` is a program
that enters it. arm64 programs run there under qemu-user.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from peers import is_alive, kill_tree

from edgeq.devices.adb.client import AdbTarget
from edgeq.devices.adb.link import AdbLink
from phone_peers.packages import find_adbd, loader_command

# Not within 5554 to 5585: adb connects to those by itself.
_PORT = 6555
# For what stands in the phone's network beside it.
_PORTS = itertools.count(_PORT + 1)
_HERE = Path(__file__).parent
# Neither phone nor server outlives a test run that is killed.
_TIED = ("setpriv", "--pdeathsig", "KILL")
_UNSHARE = (*_TIED, "unshare", "-Urnm", "--propagation", "slave")

PROPERTIES = {
    "ro.product.manufacturer": "Test",
    "ro.product.model": "Peer <b>1</b>",
    "ro.product.cpu.abilist64": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.soc.model": "T1000",
}

_CORE = """processor\t: {0}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""

_SHIMS = {
    "getprop": 'if [ $# -gt 0 ]; then sed -n "s/^\\[$1\\]: \\[\\(.*\\)\\]$/\\1/p" /system/props; '
    "else cat /system/props; fi",
    "uname": 'case $1 in -m) echo aarch64 ;; *) exec /usr/bin/uname "$@" ;; esac',
    # `android.hardware.power.stats.IPowerStats/default` has a slash: the file is without what follows it.
    "dumpsys": 'said="/system/dumpsys.${1%%/*}"; [ ! -x "$said" ] || exec "$said"; '
    'cat "$said" 2>/dev/null || echo "Can\'t find service: $1"',
}


@dataclass(frozen=True)
class Phone:
    """A running phone and its adb server.

    Attributes:
        adb: program to use for `adb`; it enters the phone's network.
        serial: what adb calls the phone.
        process: adbd.
        folder: where the phone's system folder lies here.
        passed: bytes that went through each relay that has ended, by its serial.
    """

    adb: Path
    serial: str
    process: subprocess.Popen[bytes]
    folder: Path
    passed: dict[str, int] = field(default_factory=dict)

    def call(self, *arguments: str, seconds: float = 30) -> str:
        """Run adb and return what it printed."""
        done = subprocess.run(
            [self.adb, *arguments], capture_output=True, text=True, timeout=seconds, check=False
        )
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def link(self) -> Iterator[AdbLink]:
        """A link to it, which enters its network."""
        with pytest.MonkeyPatch.context() as patch, AdbLink(AdbTarget(self.serial)) as link:
            patch.setenv("ADB", str(self.adb))
            yield link

    def path(self, on_phone: str) -> Path:
        """Where a path of the phone is seen from here."""
        return Path(f"/proc/{self.process.pid}/root{on_phone}")

    def set_properties(self, changed: dict[str, str]) -> None:
        """Change what `getprop` says, from what it said in the beginning."""
        write_properties(self.folder, PROPERTIES | changed)

    def processes(self) -> dict[int, str]:
        """What runs on the phone beside adbd: process -> name."""
        names = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # ended meanwhile, or another user's
                if (path / "root").readlink() == self.folder / "root":
                    names[int(path.name)] = (path / "comm").read_text().strip()
        names.pop(self.process.pid, None)
        return {pid: name for pid, name in names.items() if is_alive(pid)}

    def remount(self, options: str) -> None:
        """Change how `/data/local/tmp` is mounted."""
        place = f"{self.folder}/root/data/local/tmp"
        subprocess.run(
            [*enter(self.process.pid), "-m", "mount", "-o", f"remount,{options}", place], check=True
        )

    def shrink(self, on_phone: str, size: str) -> contextlib.AbstractContextManager[None]:
        """A file system with room for so much lies over a folder."""
        return self._mounted(["-t", "tmpfs", "-o", f"size={size}", "small"], f"{self.folder}/root{on_phone}")

    def hide_cores(self) -> contextlib.AbstractContextManager[None]:
        """Nothing is in /sys/devices/system/cpu, as where a shell may not read it."""
        place = f"{self.folder}/root/sys/devices/system/cpu"
        return self._mounted(["-t", "tmpfs", "hidden"], place)

    @contextlib.contextmanager
    def _mounted(self, what: list[str], place: str) -> Iterator[None]:
        inside = [*enter(self.process.pid), "-m"]
        subprocess.run([*inside, "mount", *what, place], check=True)
        try:
            yield
        finally:
            subprocess.run([*inside, "umount", place], check=True)

    @contextlib.contextmanager
    def faulty(self, *what: object) -> Iterator[str]:
        """Run faulty.py in the phone's network with these words after its port; the serial of what it is."""
        port = next(_PORTS)
        command = [*enter(self.process.pid), sys.executable, _HERE / "faulty.py", port, *what]
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield f"127.0.0.1:{port}"
        finally:
            self.call("disconnect", f"127.0.0.1:{port}")
            process.terminate()
            self.passed[f"127.0.0.1:{port}"] = int(process.communicate()[0] or 0)

    def relay(self, fault: str, size: int) -> contextlib.AbstractContextManager[str]:
        """The phone by a way that fails (`drop`, `end`, `stall`) after `size` bytes; its serial there."""
        return self.faulty(fault, size, _PORT)


@contextlib.contextmanager
def run_phone(folder: Path, *, data: str = "size=400m,mode=0771") -> Iterator[Phone]:
    """Start a phone with its files in `folder`; at the end nothing of it is left.

    Args:
        data: mount options of `/data/local/tmp`.
    """
    qemu = shutil.which("qemu-aarch64-static")
    assert qemu, "the tests need qemu-aarch64-static: apt-get install qemu-user-static"
    adbd, system, root = find_adbd(), _make_system(folder), folder / "root"
    root.mkdir()
    environment = {
        "ADBD_PORT": str(_PORT),
        "PATH": "/system/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "QEMU_CPU": "cortex-a76",
    }
    with (folder / "adbd.log").open("wb") as log:
        process = subprocess.Popen(
            [*_UNSHARE, "sh", _HERE / "init.sh", root, system, adbd, qemu, data, *loader_command(adbd)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
    server = None
    try:
        adb = _write_client(folder, process.pid)
        server = _start_server(adb, folder, process)
        serial = f"127.0.0.1:{_PORT}"
        _await(process, folder, lambda: _succeeds([adb, "connect", serial], f"connected to {serial}"))
        yield Phone(adb, serial, process, folder)
    finally:
        if server is not None:  # another one, if this one was killed
            subprocess.run([folder / "adb", "kill-server"], capture_output=True, check=False)
        for each in (process, server):
            if each is not None:
                kill_tree(each.pid)
                each.wait()


def enter(pid: int) -> list[str]:
    """The words that make a command run in the network of a process."""
    return ["nsenter", "--preserve-credentials", "-U", "-n", "-t", str(pid)]


def write_properties(folder: Path, properties: dict[str, str]) -> None:
    """What `getprop` on the phone says from now on."""
    lines = "".join(f"[{name}]: [{text}]\n" for name, text in properties.items())
    (folder / "system/props").write_text(lines)


def _make_system(folder: Path) -> Path:
    system = folder / "system"
    (system / "bin").mkdir(parents=True)
    for name, script in _SHIMS.items():
        (system / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (system / "bin" / name).chmod(0o755)
    (system / "cpuinfo").write_text("".join(_CORE.format(number) for number in range(os.cpu_count() or 1)))
    write_properties(folder, PROPERTIES)
    return system


def _write_client(folder: Path, pid: int) -> Path:
    """A program that is adb in the phone's network, with keys and logs of its own."""
    adb = shutil.which("adb")
    assert adb, "the tests need adb: apt-get install adb"
    home, client = folder / "home", folder / "adb"
    home.mkdir()
    client.write_text(
        f"#!/bin/sh\nexport HOME='{home}' TMPDIR='{home}' ADB_MDNS_AUTO_CONNECT=\n"
        f'exec {" ".join(enter(pid))} {adb} "$@"\n'
    )
    client.chmod(0o755)
    return client


def _start_server(adb: Path, folder: Path, phone: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Start the adb server in the phone's network once it exists."""
    _await(phone, folder, lambda: _succeeds([*enter(phone.pid), "true"]))
    with (folder / "server.log").open("wb") as log:
        command = [*_TIED, adb, "nodaemon", "server"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _await(phone: subprocess.Popen[bytes], folder: Path, is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        ended = phone.poll() is not None or time.monotonic() > until
        assert not ended, f"the phone did not start: {(folder / 'adbd.log').read_text()}"
        time.sleep(0.1)


def _succeeds(command: list[str | Path], expected: str = "") -> bool:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode == 0 and expected in done.stdout
