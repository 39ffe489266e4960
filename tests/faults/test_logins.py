"""Keys to log in with: from files, from the agent; and no secret goes where others read."""

import contextlib
import dataclasses
import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import paramiko
import pytest
from peers import make_key, run_sshd

from edgeq.devices.ssh import client
from edgeq.devices.ssh.link import SshLink
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import DeviceError, DeviceUnreachable


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    with run_sshd(tmp_path / "server") as running:
        yield running


SECRET = "correct horse battery"


def test_no_secret_is_in_a_log_an_error_or_a_traceback(tmp_path, server):
    """Logging at its most talkative, a login that fails, and a traceback printed by Python itself."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", SECRET, "-f", tmp_path / "locked"], check=True)
    make_key(tmp_path / "stranger")
    target = dataclasses.replace(
        server.target, key=None, keys=(tmp_path / "locked", tmp_path / "stranger"), only_keys=True
    )
    script = (
        "import logging, sys\nfrom pathlib import Path, PosixPath\nlogging.basicConfig(level=logging.DEBUG)\n"
        "from edgeq.devices.ssh.link import SshLink\nfrom edgeq.devices.ssh.target import SshTarget\n"
        f"link = SshLink({target!r})\nprint(repr(link), vars(link))\nlink.run(['true'], timeout=30)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert "DEBUG:paramiko" in done.stderr
    assert "locked has a passphrase" in done.stderr
    said = done.stdout + done.stderr
    for file in (tmp_path / "locked", tmp_path / "stranger", server.target.key):
        body = file.read_text().splitlines()[1:-1]
        assert not [line for line in body if line in said]
    assert SECRET not in said


@pytest.fixture
def agent(tmp_path):
    """An ssh-agent of one's own; gives a function that adds a key to it."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}

    def add(key: Path) -> None:
        subprocess.run(["ssh-add", "-q", key], env=environment, check=True)

    try:
        while not path.exists():
            assert process.poll() is None
        yield path, add
    finally:
        process.terminate()
        process.wait()


def test_keys_of_the_agent_open_the_device(tmp_path, server, agent, monkeypatch):
    path, add = agent
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    target = dataclasses.replace(server.target, key=None, keys=(tmp_path / "none",))
    with SshLink(target) as link, pytest.raises(DeviceError, match="none to offer"):
        link.run(["true"], timeout=30)
    add(server.target.key)
    with SshLink(target) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"
    only = dataclasses.replace(target, only_keys=True)
    with SshLink(only) as link, pytest.raises(DeviceError, match="none to offer"):
        link.run(["true"], timeout=30)


def test_more_keys_than_the_device_lets_us_try_are_counted(tmp_path, server, caplog):
    caplog.set_level(logging.DEBUG)
    for number in range(8):
        make_key(tmp_path / f"key{number}")
    keys = tuple(tmp_path / f"key{number}" for number in range(8))
    target = dataclasses.replace(server.target, key=None, keys=keys, only_keys=True)
    with SshLink(target) as link, pytest.raises(DeviceError, match="lets nobody in"):
        link.run(["true"], timeout=30)


class _Breaking(paramiko.ServerInterface):
    """An SSH server that neither takes nor refuses a key: it does `at_key` when it is shown one."""

    def __init__(self, at_key):
        self._at_key = at_key

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        self._at_key()
        return paramiko.AUTH_FAILED


@contextlib.contextmanager
def run_breaking_server(folder, make_break):
    """The target of a server that holds the login as `make_break(transport)` says."""
    make_key(folder / "host")
    host_key = paramiko.Ed25519Key.from_private_key_file(str(folder / "host"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {host_key.get_name()} {host_key.get_base64()}\n")

        def serve():
            accepted, _ = listening.accept()
            transport = paramiko.Transport(accepted)
            transport.add_server_key(host_key)
            transport.start_server(server=_Breaking(make_break(transport)), event=threading.Event())

        threading.Thread(target=serve, daemon=True).start()
        make_key(folder / "own")
        yield SshTarget("127.0.0.1", port, "root", key=folder / "own", known_hosts=known)


def test_connection_that_is_closed_at_the_first_key_is_lost_and_refuses_nobody(tmp_path):
    def drop(transport):
        return lambda: transport.sock.shutdown(socket.SHUT_RDWR)

    with (
        run_breaking_server(tmp_path, drop) as target,
        SshLink(target) as link,
        pytest.raises(DeviceUnreachable, match="no SSH connection to 127"),
    ):
        link.run(["true"], timeout=30)


def test_server_that_does_not_answer_to_a_key_refuses_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "OPEN_SECONDS", 1.0)
    release = threading.Event()
    with (
        run_breaking_server(tmp_path, lambda transport: release.wait) as target,
        SshLink(target) as link,
        pytest.raises(DeviceUnreachable, match=r"no SSH connection to 127.*timeout"),
    ):
        link.run(["true"], timeout=30)
    release.set()
