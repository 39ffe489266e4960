"""What goes wrong on the way to a device over SSH, against a real OpenSSH server."""

import dataclasses
import logging
import os
import socket
import subprocess
import threading
import time

import pytest
from peers import await_end, kill_tree, make_key, run_sshd

from edgeq.devices import output
from edgeq.devices.opening import open_device
from edgeq.devices.profile import DeviceProfile, SshSpec
from edgeq.devices.ssh.link import SshLink
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import DeviceError, DeviceUnreachable, HostKeyError, ProfileError


@pytest.fixture
def server(tmp_path):
    with run_sshd(tmp_path) as running:
        yield running


def fingerprint(folder):
    import base64
    import hashlib

    digest = hashlib.sha256(base64.b64decode((folder / "host.pub").read_text().split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def test_unknown_host_key_stops_and_shows_its_fingerprint(server, tmp_path):
    target = dataclasses.replace(server.target, known_hosts=tmp_path / "none yet")
    with SshLink(target) as link, pytest.raises(HostKeyError) as caught:
        link.run(["touch", str(tmp_path / "ran")], timeout=30)
    assert fingerprint(tmp_path) in caught.value.message
    assert "none yet" in caught.value.hint
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "none yet").exists()


@pytest.mark.parametrize("pinned", [False, True])
def test_changed_host_key_stops_everything(server, tmp_path, pinned):
    make_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text()
    (tmp_path / "known").write_text(f"{server.target.host_name} {other}")
    target = dataclasses.replace(
        server.target, known_hosts=None if pinned else tmp_path / "known", pinned=other if pinned else None
    )
    with SshLink(target) as link, pytest.raises(HostKeyError, match="another host key") as caught:
        link.run(["touch", str(tmp_path / "ran")], timeout=30)
    assert fingerprint(tmp_path) in caught.value.message
    assert ("do not go on" if pinned else "--replace") in caught.value.hint
    assert not (tmp_path / "ran").exists()


def test_pinned_host_key_lets_us_in_without_a_file(server, tmp_path):
    pinned = (tmp_path / "host.pub").read_text()
    with SshLink(dataclasses.replace(server.target, known_hosts=None, pinned=pinned)) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"


def test_key_that_the_device_does_not_know_is_refused(server, tmp_path):
    make_key(tmp_path / "stranger")
    with (
        SshLink(dataclasses.replace(server.target, key=tmp_path / "stranger")) as link,
        pytest.raises(DeviceError, match="stranger") as caught,
    ):
        link.run(["true"], timeout=30)
    assert "authorized_keys" in caught.value.hint
    assert not caught.value.transient


def test_missing_key_file_is_named(server, tmp_path):
    with (
        SshLink(dataclasses.replace(server.target, key=tmp_path / "nowhere")) as link,
        pytest.raises(ProfileError, match="nowhere"),
    ):
        link.run(["true"], timeout=30)


@pytest.mark.parametrize(
    "content", [b"garbage\n", b"\xff\xfe\x00", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA", b""]
)
def test_file_that_is_no_key_is_named(server, tmp_path, content):
    (tmp_path / "broken").write_bytes(content)
    with (
        SshLink(dataclasses.replace(server.target, key=tmp_path / "broken")) as link,
        pytest.raises(ProfileError, match=r"cannot read the key file .*broken"),
    ):
        link.run(["true"], timeout=30)


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
def test_key_with_a_passphrase_belongs_to_the_agent(server, tmp_path, form):
    make = ["ssh-keygen", "-q", "-t", "rsa", "-m", form, "-N", "secret", "-f", tmp_path / "locked"]
    subprocess.run(make, check=True)
    with (
        SshLink(dataclasses.replace(server.target, key=tmp_path / "locked")) as link,
        pytest.raises(ProfileError, match="locked has a passphrase") as caught,
    ):
        link.run(["true"], timeout=30)
    assert "ssh-add" in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [b"host ssh-ed25519 AAA", b"host \xff\xfe AAAA", b"|1|AAAA|AAAA ssh-ed25519 ", b"|1|x ssh-ed25519 "],
)
def test_damaged_file_of_known_hosts_is_named(server, tmp_path, line):
    key = (tmp_path / "host.pub").read_bytes().split()[1] if line.endswith(b" ") else b""
    (tmp_path / "damaged").write_bytes(line + key + b"\n")
    with (
        SshLink(dataclasses.replace(server.target, known_hosts=tmp_path / "damaged")) as link,
        pytest.raises(ProfileError, match=r"known hosts .*damaged"),
    ):
        link.run(["true"], timeout=30)


def test_port_without_a_server_is_unreachable():
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        with (
            SshLink(SshTarget("127.0.0.1", idle.getsockname()[1])) as link,
            pytest.raises(DeviceUnreachable, match="no SSH connection") as caught,
        ):
            link.run(["true"], timeout=30)
    assert caught.value.transient


def test_server_that_speaks_no_ssh_is_unreachable_and_prints_nothing(capfd):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            with listening.accept()[0] as connection:
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with (
            SshLink(SshTarget("127.0.0.1", listening.getsockname()[1])) as link,
            pytest.raises(DeviceUnreachable),
        ):
            link.run(["true"], timeout=30)
    assert capfd.readouterr().err == ""


def test_connection_that_breaks_in_a_command_is_reported_at_once(server):
    with SshLink(server.target) as link:
        link.run(["true"], timeout=30)
        threading.Timer(0.5, kill_tree, [server.process.pid]).start()
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="sleep 60"):
            link.run(["sleep", "60"], timeout=60)
        assert time.monotonic() - start < 20
        with pytest.raises(DeviceUnreachable):
            link.run(["true"], timeout=30)


def test_transfer_that_misses_its_deadline_leaves_no_file(server, tmp_path):
    there, large = tmp_path / "there", tmp_path / "large"
    there.mkdir()
    large.write_bytes(os.urandom(1 << 20) * 256)
    with SshLink(server.target) as link:
        link.run(["true"], timeout=30)
        with pytest.raises(DeviceUnreachable, match=r"pushing large.*within 0\.3 s"):
            link.push(large, f"{there}/large", timeout=0.3)
        assert list(there.iterdir()) == []
        with pytest.raises(DeviceUnreachable, match=r"pulling .*within 0\.3 s"):
            link.pull(str(large), there / "large", timeout=0.3)
        assert list(there.iterdir()) == []
        assert link.run(["echo", "fine"], timeout=30).stdout == b"fine\n"


def test_interrupted_push_leaves_no_file(server, tmp_path):
    there, large = tmp_path / "there", tmp_path / "large"
    there.mkdir()
    large.write_bytes(os.urandom(1 << 20) * 16)

    def interrupt(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with SshLink(server.target) as link, pytest.raises(KeyboardInterrupt):
        link.push(large, f"{there}/large", timeout=60, progress=interrupt)
    assert list(there.iterdir()) == []


def test_command_that_writes_without_end_is_let_go(server, monkeypatch):
    monkeypatch.setattr(output, "OUTPUT_LIMIT", 1_000_000)
    with SshLink(server.target) as link:
        for script in ("yes", "yes >&2"):
            with pytest.raises(DeviceError, match="more than 1 MB"):
                link.run(["sh", "-c", script], timeout=60)
        assert link.run(["echo", "fine"], timeout=30).stdout == b"fine\n"


def test_command_that_misses_its_deadline_ends_with_all_that_it_started(server, tmp_path):
    script = f"trap '' TERM; sleep 300 & echo $$ $! >'{tmp_path}/pids'; wait; sleep 300"
    with SshLink(server.target) as link, pytest.raises(DeviceUnreachable, match="did not end"):
        link.run(["sh", "-c", script], timeout=1)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(await_end(pid) for pid in pids)


def test_profile_opens_the_device_that_it_names(server):
    target = server.target
    spec = SshSpec(
        host=target.host, port=target.port, key=str(target.key), known_hosts=str(target.known_hosts)
    )
    with open_device(DeviceProfile(schema=1, description="test", link=spec)) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"


def test_nothing_shown_or_logged_holds_the_private_key(server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    secret = (tmp_path / "client").read_text().splitlines()[2]
    with SshLink(server.target) as link:
        link.run(["true"], timeout=30)
        assert secret not in repr(link) + repr(server.target) + caplog.text
