"""Real peers for tests: an OpenSSH server of one's own on the loopback interface, and process trees."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeq.devices.ssh.target import SshTarget

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
# Not the shell set-up of whoever runs the tests; and a place for programs that stand before the system's.
SetEnv HOME={folder} SHLVL=2 PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Sshd:
    """A running server; `target` knows its host key and has a key that it lets in."""

    process: subprocess.Popen[bytes]
    target: SshTarget


@contextlib.contextmanager
def run_sshd(folder: Path) -> Iterator[Sshd]:
    """Debian's openssh-server with keys and configuration in `folder`, for the user who runs the tests."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    assert program, "the tests need /usr/sbin/sshd: apt-get install openssh-server"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself in as root
    make_key(folder / "host")
    make_key(folder / "client")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(_CONFIG.format(folder=folder, port=port))
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stderr=log)
    try:
        _await_port(port, process, folder / "log")
        yield Sshd(process, SshTarget("127.0.0.1", port, key=folder / "client", known_hosts=known))
    finally:
        kill_tree(process.pid)
        process.wait()


def make_key(path: Path) -> None:
    """A new ed25519 key pair at `path` and `path`.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)


def kill_tree(pid: int) -> None:
    """End a process and all that it started, at once; nobody lives to tell of the end of a child."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    below = children(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in below:
        kill_tree(child)


def children(pid: int) -> list[int]:
    """Processes that any thread of `pid` started and that still run."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def await_end(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process has ended within `seconds`."""
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_alive(pid)


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"sshd did not start: {log.read_text()}")
