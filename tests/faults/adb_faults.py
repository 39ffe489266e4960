"""Faults of a phone, tried on the real adbd in namespaces of its own: its link, its state, its files."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from faults.catalogue import SWEPT, Fault
from faults.rig import LONG, PROGRAM, During, Rig
from faults.ssh_faults import (
    ALL_PASSES,
    are_none,
    killed_in_deploy,
    signal_to_edgeq,
    signal_to_runner,
    were_tried_again,
)
from phone_peers.phone import Phone, run_phone

ROOT = "/data/local/tmp/edgeq"
# Shares of all bytes that a run moves: one that has to send everything, and one that finds all of it there.
DEPLOY_SHARES = (0.0002, 0.05, 0.35, 0.65, 0.95)
# The last bytes only clean up, and a run differs from the next by a tenth.
RUN_SHARES = (0.1, 0.25, 0.4, 0.55, 0.7)
LOST = r"error: .*(lost the phone|adb knows no phone|does not answer|failed to connect)"
_WITHOUT_LIMIT = 10**15


@dataclass(frozen=True)
class PhonePlace:
    """What the profile of the phone says; no serial for the only one."""

    serial: str | None
    work_folder: str = ROOT
    free_disk: int = 0


class PhoneRig(Rig):
    """A phone that is the real adbd."""

    name = "adb"

    def __init__(self, folder: Path, artifact: Path, phone: Phone) -> None:
        super().__init__(folder, artifact, None, PhonePlace(phone.serial))
        self.phone = phone
        self._bytes: dict[bool, int] = {}

    def _write_profile(self) -> str:
        path, place = self.folder / "phone.toml", self.place
        lines = [
            *("schema = 1", 'description = "a phone to break"', f'work_folder = "{place.work_folder}"'),
            *("[limits]", f"free_disk = {place.free_disk}", "[link]", 'type = "adb"'),
            *([f'serial = "{place.serial}"'] if place.serial else []),
        ]
        path.write_text("\n".join(lines))
        return str(path)

    def bytes_of_a_run(self, cold: bool) -> int:
        """Bytes that a run with all passes moves, to a phone that has nothing, or everything."""
        if not self._bytes:
            self.forget()
            for each in (True, False):
                with self.phone.relay("drop", _WITHOUT_LIMIT) as serial, self.changed(serial=serial):
                    answer = self.bench(*ALL_PASSES)
                    assert answer.exit_code == 0, answer.stderr
                self._bytes[each] = self.phone.passed[serial]
        return self._bytes[cold]

    def runners(self) -> list[int]:
        """See `Rig.runners`."""
        found = []
        for pid in self.phone.processes():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                if ROOT.encode() in words and PROGRAM.encode() in words:
                    found.append(pid)
        return found

    def programs(self) -> list[int]:
        """See `Rig.programs`."""
        return [pid for pid, name in self.phone.processes().items() if name == PROGRAM]

    def signal_runner(self, number: int) -> None:
        """See `Rig.signal_runner`."""
        for pid in self.programs():
            os.kill(pid, number)

    def files(self) -> list[str]:
        """See `Rig.files`."""
        root = self.phone.path(ROOT)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    def forget(self) -> None:
        """An empty phone again."""
        subprocess.run(["rm", "-rf", self.phone.path(ROOT)], check=True)


@contextmanager
def phone_rig(folder: Path, artifact: Path) -> Iterator[PhoneRig]:
    """A rig in `folder`; all of it ends with the block."""
    place = folder / "phone"
    place.mkdir()
    with run_phone(place) as phone:
        before = os.environ.get("ADB")
        os.environ["ADB"] = str(phone.adb)
        try:
            yield PhoneRig(folder, artifact, phone)
        finally:
            os.environ.pop("ADB")
            if before is not None:
                os.environ["ADB"] = before


@contextmanager
def broken(fault: str, share: float, cold: bool, rig: PhoneRig) -> Iterator[During | None]:
    """The link breaks after that share of what a run moves."""
    size = int(share * rig.bytes_of_a_run(cold))
    if cold:
        rig.forget()
    with rig.phone.relay(fault, size) as serial, rig.changed(serial=serial):
        yield None


@contextmanager
def stranger(kind: str, rig: PhoneRig) -> Iterator[During | None]:
    """Another phone is meant, which is of that kind."""
    with rig.phone.faulty(kind) as serial, rig.changed(serial=serial):
        yield None


@contextmanager
def second_phone(rig: PhoneRig) -> Iterator[During | None]:
    """Two phones, and the profile names none."""
    with rig.phone.faulty("deny") as serial, rig.changed(serial=None):
        rig.phone.call("connect", serial)
        yield None


@contextmanager
def no_phone(rig: PhoneRig) -> Iterator[During | None]:
    """Nobody has plugged one in."""
    rig.phone.call("disconnect")
    try:
        with rig.changed(serial=None):
            yield None
    finally:
        rig.phone.call("connect", rig.phone.serial)


@contextmanager
def other_properties(changed: dict[str, str], rig: PhoneRig) -> Iterator[During | None]:
    """The phone is of another kind."""
    rig.phone.set_properties(changed)
    try:
        yield None
    finally:
        rig.phone.set_properties({})


@contextmanager
def mounted(options: str, rig: PhoneRig) -> Iterator[During | None]:
    """The work folder's file system is mounted with these options."""
    rig.phone.remount(options)
    try:
        yield None
    finally:
        rig.phone.remount("rw,exec")


@contextmanager
def hidden_cores(rig: PhoneRig) -> Iterator[During | None]:
    """The shell may not see /sys/devices/system/cpu."""
    with rig.phone.hide_cores():
        yield None


@contextmanager
def full_disk(rig: PhoneRig) -> Iterator[During | None]:
    """There is room for the runner, and not for its libraries."""
    rig.forget()
    filler = rig.phone.path("/data/local/tmp/filler")
    state = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - 3_000_000)
    try:
        yield None
    finally:
        filler.unlink()


_KINDS = {
    "a 32-bit phone": ({"ro.product.cpu.abilist64": ""}, "runs no arm64-v8a programs, it is a 32-bit one"),
    "an x86 phone": ({"ro.product.cpu.abilist64": "x86_64"}, "runs no arm64-v8a programs, it is an x86 one"),
    "a phone with Android 7": ({"ro.build.version.sdk": "25"}, "Android 8 .* is the oldest"),
}

FAULTS = [
    Fault(
        "the phone has not allowed this computer",
        "adb",
        5,
        "unauthorized.*tap Allow",
        partial(stranger, "deny"),
    ),
    Fault("the phone is offline", "adb", 4, r"offline.*adb reconnect", partial(stranger, "silent")),
    Fault("the phone has no shell v2 (Android 6)", "adb", 5, "shell_v2.*Android 8", partial(stranger, "old")),
    Fault(
        "two phones and no serial",
        "adb",
        2,
        r"adb sees 2 phones.*\(device\).*\(unauthorized\)",
        second_phone,
        holds=are_none,
    ),
    Fault("no phone", "adb", 4, "adb sees no phone.*USB debugging", no_phone),
    *(
        Fault(
            f"the link drops at {share:.0%} of the first deployment"
            if share > 0.01
            else "the link drops as it is opened",
            "adb",
            4,
            LOST,
            partial(broken, "end", share, True),
            SWEPT,
            ALL_PASSES,
        )
        for share in DEPLOY_SHARES
    ),
    *(
        Fault(
            f"the link drops at {share:.0%} of runs and results",
            "adb",
            4,
            LOST,
            partial(broken, "end", share, False),
            SWEPT,
            ALL_PASSES,
        )
        for share in RUN_SHARES
    ),
    Fault(
        "the link drops in a run and comes back",
        "adb",
        0,
        "lost the phone.*trying once more",
        partial(broken, "drop", 0.5, False),
        options=ALL_PASSES,
        holds=were_tried_again,
    ),
    *(
        Fault(name, "adb", 5, said, partial(other_properties, changed))
        for name, (changed, said) in _KINDS.items()
    ),
    Fault(
        "the phone hides /sys/devices/system/cpu", "adb", 5, "XNNPACK backend is not available", hidden_cores
    ),
    Fault(
        "the work folder runs no programs (noexec)",
        "adb",
        5,
        "no program may run in",
        partial(mounted, "noexec"),
    ),
    Fault("the phone's disk is full", "adb", 5, "No space left on device.*make room", full_disk),
    *(
        Fault(
            f"the runner is ended by {number.name}",
            "adb",
            5,
            f"{number.name} (at the stage|in the latency pass)",
            partial(signal_to_runner, number),
            options=LONG,
        )
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
    ),
    Fault(
        "Ctrl-C in a run",
        "adb",
        130,
        "edgeq: interrupted",
        partial(signal_to_edgeq, signal.SIGINT),
        SWEPT,
        LONG,
        holds=are_none,
    ),
    Fault(
        "edgeq is killed (SIGKILL) in a run",
        "adb",
        -9,
        "",
        partial(signal_to_edgeq, signal.SIGKILL),
        SWEPT,
        LONG,
        holds=are_none,
    ),
    Fault("edgeq is killed (SIGKILL) while it sends a file", "adb", -9, "", killed_in_deploy, holds=are_none),
]
