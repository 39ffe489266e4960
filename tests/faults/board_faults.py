"""Faults of the device itself, tried on a booted arm64 board: storage, memory, clock, reboot."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from faults.board_rig import BoardRig
from faults.catalogue import SWEPT, Fault
from faults.rig import LONG, QUICK, During
from faults.ssh_faults import are_fine, are_none, signal_to_edgeq, signal_to_runner

DISK = "/var/tmp"
# Whom the kernel ends when memory is short (proc(5), oom_score_adj): the runner first, the SSH server never.
# The runner stands still meanwhile, since filling the memory of an emulated board takes seconds.
_SHORT_OF_MEMORY = """
for pid in $(pidof dropbear); do echo -1000 >/proc/$pid/oom_score_adj; done
echo 1000 >/proc/$(pidof edgeq-runner)/oom_score_adj
kill -STOP $(pidof edgeq-runner)
echo 1 >/proc/sys/vm/overcommit_memory
sh -c 'echo -900 >/proc/$$/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=2000M count=1' || true
echo 0 >/proc/sys/vm/overcommit_memory
"""


@contextmanager
def remounted(options: str, before: str, rig: BoardRig) -> Iterator[During | None]:
    """The file system of the work folder is mounted with other options; the program is not there yet."""
    rig.shell(f"find '{rig.place.work_folder}/store' -name model.pte -exec rm -f {{}} +")
    rig.shell(f"used=$(df -Pk {DISK} | awk 'NR == 2 {{ print $3 }}'); mount -o remount,{options} {DISK}")
    try:
        yield None
    finally:
        rig.shell(f"mount -o remount,{before} {DISK}")


@contextmanager
def little_room(rig: BoardRig) -> Iterator[During | None]:
    """Less room than the profile asks for."""
    with rig.changed(free_disk=10**10):
        yield None


@contextmanager
def short_of_memory(rig: BoardRig) -> Iterator[During | None]:
    """Another process takes all the memory that there is."""

    def during(_process: object) -> None:
        rig.await_runner()
        rig.shell(_SHORT_OF_MEMORY)

    yield during


@contextmanager
def jumping_clock(rig: BoardRig) -> Iterator[During | None]:
    """Somebody sets the device's clock, forth and back, while the runner measures."""

    def during(_process: object) -> None:
        rig.await_runner()
        rig.shell("date -s 2037-01-01; sleep 0.2; date -s 2000-01-01")

    yield during


@contextmanager
def rebooting(rig: BoardRig) -> Iterator[During | None]:
    """The device reboots in mid-run, and is there again a moment after the command has ended."""

    def during(_process: object) -> None:
        rig.await_runner()
        rig.link.start(["reboot", "-f"])

    yield during
    rig.boot()


def _times_are_sane(runs: list[dict]) -> bool:
    (series,) = [s for s in runs[0]["series"] if (s["name"], s["phase"]) == ("latency", "measured")]
    return (
        are_fine(runs)
        and min(series["values"]) > 0
        and max(series["values"]) < 1
        and len(series["values"]) > 1
    )


FAULTS = [
    Fault(
        "less free disk than the profile asks for",
        "board",
        5,
        "are free at .*the profile asks for 10 GB",
        little_room,
    ),
    Fault("the disk is full", "board", 5, "No space left", partial(remounted, "size=${used}k", "size=50%")),
    Fault(
        "the work folder is read-only",
        "board",
        5,
        "cannot make a lock in .*",
        partial(remounted, "ro", "rw"),
    ),
    Fault(
        "the work folder is noexec",
        "board",
        5,
        "ermission denied.*noexec",
        partial(remounted, "noexec", "exec"),
    ),
    Fault(
        "the device is out of memory",
        "board",
        5,
        "the runner was ended by SIGKILL in the latency pass.*memory runs out",
        short_of_memory,
        options=LONG,
    ),
    Fault(
        "the device's clock jumps in a run",
        "board",
        0,
        "",
        jumping_clock,
        options=(*QUICK[:-1], "12000"),
        holds=_times_are_sane,
    ),
    Fault(
        "the runner is ended by SIGKILL",
        "board",
        5,
        "the runner was ended by SIGKILL in the latency pass",
        partial(signal_to_runner, signal.SIGKILL),
        options=LONG,
    ),
    Fault(
        "edgeq is killed (SIGKILL) in a run",
        "board",
        -9,
        "",
        partial(signal_to_edgeq, signal.SIGKILL),
        SWEPT,
        LONG,
        holds=are_none,
    ),
    Fault("the device reboots in a run", "board", 4, "no SSH connection to|lost", rebooting, options=LONG),
]
