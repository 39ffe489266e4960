"""However the process that booted a board ends, QEMU ends too and nothing stays on the disk."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from peers import await_end, children

from edgeq.devices.board import machine as board_module
from edgeq.devices.board.machine import open_board
from edgeq.devices.profile import BoardSpec
from edgeq.errors import DeviceUnreachable

pytestmark = pytest.mark.emulated

SPEC = BoardSpec(cpu="cortex-a76")
DEATH = r"(?s)sleep 60.*QEMU ended with exit code -9.*BOARD-READY"
SCRIPT = """
import time
from edgeq.devices.board.machine import open_board
from edgeq.devices.profile import BoardSpec
with open_board(BoardSpec(cpu="cortex-a76")) as link:
    print("booted", flush=True)
    link.run(["sleep", "600"], timeout=600)
"""


def machines(pid):
    """QEMU processes that `pid` started."""
    return [child for child in children(pid) if b"qemu" in _command(child)]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of one's own for temporary files, to see what stays."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def child(temporary):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def started_machine(pid):
    until = time.monotonic() + 120
    while not (found := machines(pid)):
        assert time.monotonic() < until, "QEMU did not start"
        time.sleep(0.05)
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_machine_ends_with_the_process_while_booting(child, number, temporary):
    machine = started_machine(child.pid)
    child.send_signal(number)
    assert await_end(machine)
    child.communicate(timeout=60)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_machine_ends_with_the_process_while_a_command_runs(child, number, temporary):
    assert child.stdout.readline() == b"booted\n"
    machine = started_machine(child.pid)
    time.sleep(1)
    child.send_signal(number)
    assert await_end(machine)
    child.communicate(timeout=60)
    assert list(temporary.iterdir()) == []


def test_taken_port_is_exchanged_and_machine_ends_after_an_error(monkeypatch):
    before = set(machines(os.getpid()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1]])
        free_port = board_module._free_port
        monkeypatch.setattr(board_module, "_free_port", lambda: next(ports, None) or free_port())
        with pytest.raises(ZeroDivisionError), open_board(SPEC) as link:
            link.run(["true"], timeout=60).check("true").exit_code / 0
        assert next(ports, None) is None
    assert set(machines(os.getpid())) == before


def test_board_that_dies_is_reported_with_its_last_words():
    before = set(machines(os.getpid()))

    def lose():
        with open_board(SPEC) as link:
            (machine,) = set(machines(os.getpid())) - before
            link.run(["true"], timeout=60)
            os.kill(machine, signal.SIGKILL)
            link.run(["sleep", "60"], timeout=60)

    with pytest.raises(DeviceUnreachable, match=DEATH) as caught:
        lose()
    assert caught.value.transient
