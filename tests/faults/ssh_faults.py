"""Faults of a device behind SSH, tried on this machine behind Debian's sshd."""

import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from faults.catalogue import CLEAN, SWEPT, Fault
from faults.rig import LONG, QUICK, During, LoopbackRig, kill
from peers import make_key

# Shares of all bytes that a run moves: one that has to send everything, and one that finds all of it there.
DEPLOY_SHARES = (0.0002, 0.05, 0.35, 0.65, 0.95)
RUN_SHARES = (0.15, 0.35, 0.55, 0.75, 0.95)
LOST = r"error: .*(no SSH connection to 127\.0\.0\.1|lost ssh: (the connection|Connection reset|no exit))"
ALL_PASSES = ("--warmup", "0", "--iterations", "1")
NOISE = b"\\000\\377\\376\\033[31mred\\033]0;title\\007\\303(\\r\\b"

# Stands before setsid on the device's search path, and so before every supervised command; `edgeq-runner` is
# among the arguments of those only that run it.
_HOSTILE = """#!/bin/sh
case "$*" in *edgeq-runner*job-*) %s ;; esac
exec /usr/bin/setsid "$@"
"""


@contextmanager
def drop(share: float, cold: bool, rig: LoopbackRig) -> Iterator[During | None]:
    """The link goes for good after that share of what a run moves."""
    if cold:
        rig.forget()
    with rig.proxy.broken(int(share * rig.bytes_of_a_run(cold)), "drop"):
        yield None
        assert rig.proxy.has_broken


@contextmanager
def drop_once(rig: LoopbackRig) -> Iterator[During | None]:
    """The link goes in the middle of a run, and comes back."""
    with rig.proxy.broken_once(int(0.5 * rig.bytes_of_a_run(False))):
        yield None
        assert rig.proxy.has_broken


@contextmanager
def stall(share: float, cold: bool, rig: LoopbackRig) -> Iterator[During | None]:
    """The device is heard of no more, but nothing ends the connection either."""
    if cold:
        rig.forget()
    with rig.proxy.broken(int(share * rig.bytes_of_a_run(cold)), "stall"):
        yield None
        assert rig.proxy.has_broken


@contextmanager
def unknown_key(rig: LoopbackRig) -> Iterator[During | None]:
    """Nobody has accepted the device's host key."""
    with rig.changed(known_hosts=rig.folder / "known to nobody"):
        yield None


@contextmanager
def changed_key(rig: LoopbackRig) -> Iterator[During | None]:
    """The device shows another host key than the accepted one."""
    make_key(rig.folder / "other host")
    known = rig.folder / "known before"
    known.write_text(f"[127.0.0.1]:{rig.proxy.port} {(rig.folder / 'other host.pub').read_text()}")
    with rig.changed(known_hosts=known):
        yield None


@contextmanager
def wrong_user(rig: LoopbackRig) -> Iterator[During | None]:
    """The profile names a user that the device does not have."""
    with rig.changed(user="nobody-of-that-name"):
        yield None


@contextmanager
def refused_key(rig: LoopbackRig) -> Iterator[During | None]:
    """The device does not know our key."""
    if not (rig.folder / "stranger").exists():
        make_key(rig.folder / "stranger")
    with rig.changed(key=rig.folder / "stranger"):
        yield None


@contextmanager
def signal_to_runner(number: int, rig: LoopbackRig) -> Iterator[During | None]:
    """Somebody on the device ends the runner."""

    def during(_process: object) -> None:
        rig.await_runner()
        rig.signal_runner(number)

    yield during


@contextmanager
def signal_to_edgeq(number: signal.Signals, rig: LoopbackRig) -> Iterator[During | None]:
    """Somebody ends edgeq while the runner runs."""

    def during(process: object) -> None:
        rig.await_runner()
        kill(process, number)

    yield during


@contextmanager
def killed_in_deploy(rig: LoopbackRig) -> Iterator[During | None]:
    """Somebody kills edgeq while it sends a file."""
    rig.forget()

    def during(process: object) -> None:
        until = time.monotonic() + 60
        while not any("/." in name for name in rig.files()):
            assert time.monotonic() < until
            time.sleep(0.002)
        kill(process, signal.SIGKILL)

    yield during


@contextmanager
def hostile(action: str, rig: LoopbackRig) -> Iterator[During | None]:
    """What is started as the runner writes what a terminal, a decoder and a buffer would choke on."""
    program = rig.bin / "setsid"
    rig.bin.mkdir(exist_ok=True)
    program.write_text(_HOSTILE % action)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    try:
        yield None
    finally:
        program.unlink()


def were_tried_again(runs: list[dict]) -> bool:
    codes = [warning["code"] for run in runs for warning in run["warnings"]]
    return len(runs) == 1 and runs[0]["status"] == "ok" and "tried-again" in codes


def are_fine(runs: list[dict]) -> bool:
    return [run["status"] for run in runs] == ["ok"]


def are_none(runs: list[dict]) -> bool:
    return runs == []


_PLENTY = f"printf '{NOISE.decode()}'; head -c 64000000 /dev/urandom; head -c 64000000 /dev/urandom >&2"
_WORDS = f"printf '{NOISE.decode()}' >&2; exit 9"

FAULTS = [
    *(
        Fault(
            f"the link drops at {share:.0%} of the first deployment"
            if share > 0.01
            else "the link drops at login",
            "ssh",
            4,
            LOST,
            partial(drop, share, True),
            SWEPT,
            ALL_PASSES,
        )
        for share in DEPLOY_SHARES
    ),
    *(
        Fault(
            f"the link drops at {share:.0%} of runs and results",
            "ssh",
            4,
            LOST,
            partial(drop, share, False),
            SWEPT,
            ALL_PASSES,
        )
        for share in RUN_SHARES
    ),
    Fault(
        "the link drops in a run and comes back",
        "ssh",
        0,
        "lost ssh: .*trying once more",
        drop_once,
        options=ALL_PASSES,
        holds=were_tried_again,
    ),
    Fault(
        "the link stalls while a file is sent",
        "ssh",
        4,
        "has not answered for 4 s",
        partial(stall, 0.5, True),
        SWEPT,
        ALL_PASSES,
    ),
    Fault(
        "the link stalls in a run",
        "ssh",
        4,
        "has not answered for 4 s",
        partial(stall, 0.5, False),
        SWEPT,
        ALL_PASSES,
    ),
    Fault("the host key is unknown", "ssh", 5, r"host key.*not known.*SHA256:", unknown_key),
    Fault("the host key has changed", "ssh", 5, r"another host key.*SHA256:.*SHA256:", changed_key),
    Fault("a user that the device does not have", "ssh", 5, "lets nobody in", wrong_user),
    Fault("a key that the device does not know", "ssh", 5, "lets nobody in.*stranger", refused_key),
    *(
        Fault(
            f"the runner is ended by {number.name}",
            "ssh",
            5,
            f"{number.name} (at the stage|in the latency pass)",
            partial(signal_to_runner, number),
            options=LONG,
        )
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
    ),
    Fault(
        "the runner writes 2 x 64 MB of binary noise, ANSI and invalid UTF-8",
        "ssh",
        0,
        "",
        partial(hostile, _PLENTY),
        options=QUICK,
        holds=are_fine,
    ),
    Fault(
        "the runner fails with ANSI and invalid UTF-8 for a message",
        "ssh",
        5,
        "ended with exit code 9 in the latency pass; it said: ",
        partial(hostile, _WORDS),
    ),
    Fault(
        "Ctrl-C in a run",
        "ssh",
        130,
        "edgeq: interrupted",
        partial(signal_to_edgeq, signal.SIGINT),
        CLEAN,
        LONG,
        holds=are_none,
    ),
    Fault(
        "edgeq is killed (SIGKILL) in a run",
        "ssh",
        -9,
        "",
        partial(signal_to_edgeq, signal.SIGKILL),
        SWEPT,
        LONG,
        holds=are_none,
    ),
    Fault(
        "edgeq is killed (SIGKILL) while it sends a file",
        "ssh",
        -9,
        "",
        killed_in_deploy,
        holds=are_none,
    ),
]
