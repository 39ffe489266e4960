"""Whose device it is: unknown, changed and revoked host keys, jump hosts, secrets that stay with us."""

import contextlib
import dataclasses
import os
import pty
import re
import shutil
import socket
import subprocess
import sys

import pytest
from peers import children, make_key, run_sshd

from edgeq.devices.opening import open_device
from edgeq.devices.profile import load_profile
from edgeq.devices.ssh.known_hosts import parse_key
from edgeq.devices.ssh.link import SshLink
from edgeq.devices.ssh.trust import look_at, trust_host
from edgeq.errors import DeviceError, DeviceUnreachable, HostKeyError, ProfileError


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    with run_sshd(tmp_path / "server") as running:
        yield running


@pytest.fixture
def gateway(tmp_path, server):
    """Another server, which lets the same key in."""
    (tmp_path / "gateway").mkdir()
    with run_sshd(tmp_path / "gateway") as running:
        shutil.copy(server.target.key.with_name("client.pub"), tmp_path / "gateway/client.pub")
        yield running


def fingerprint(server):
    return parse_key((server.target.key.parent / "host.pub").read_text()).fingerprint


def write_profile(tmp_path, server, gateway=None, **link):
    """A profile whose hosts nobody knows yet."""
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host pi\n HostName 127.0.0.1\n Port {server.target.port}\n"
        f"Host *\n IdentityFile {server.target.key}\n IdentitiesOnly yes\n"
        f" GlobalKnownHostsFile none\n UserKnownHostsFile {tmp_path}/nobody\n"
    )
    link = {"type": "ssh", "host": "pi", "config": config, "known_hosts": tmp_path / "known", **link}
    lines = [f'{key} = "{value}"' for key, value in link.items()]
    if gateway is not None:
        lines.append(f'jump = ["127.0.0.1:{gateway.target.port}"]')
    file = tmp_path / "kitchen.toml"
    file.write_text('schema = 1\ndescription = "test"\n[link]\n' + "\n".join(lines) + "\n")
    return file


def trust(profile, *options, answer=None):
    """`edgeq device trust` as a user types it, at a terminal when there is an `answer`."""
    command = [sys.executable, "-m", "edgeq", "device", "trust", str(profile), *options]
    if answer is None:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    ours, theirs = pty.openpty()
    with contextlib.closing(os.fdopen(ours, "wb", buffering=0)) as terminal:
        terminal.write(answer.encode())
        return subprocess.run(command, capture_output=True, text=True, stdin=theirs, check=False)


def whoami(profile):
    with open_device(load_profile(str(profile))) as link:
        return link.run(["echo", "in"], timeout=30).stdout


def test_unknown_key_is_shown_and_kept_when_its_fingerprint_is_given(tmp_path, server):
    profile = write_profile(tmp_path, server)
    with pytest.raises(HostKeyError, match=re.escape(fingerprint(server))) as caught:
        whoami(profile)
    assert "edgeq device trust kitchen" in caught.value.hint
    assert not (tmp_path / "known").exists()
    done = trust(profile, "--fingerprint", fingerprint(server))
    assert done.returncode == 0, done.stderr
    assert fingerprint(server) in done.stderr
    assert "ssh-keygen -lf" in done.stderr
    assert (tmp_path / "known").stat().st_mode & 0o777 == 0o600
    assert whoami(profile) == b"in\n"
    again = trust(profile)
    assert (again.returncode, again.stderr) == (0, "")
    assert "trusted already" in again.stdout


def test_without_a_terminal_nothing_is_kept(tmp_path, server):
    done = trust(write_profile(tmp_path, server))
    assert done.returncode == 2
    assert fingerprint(server) in done.stderr
    assert "--fingerprint" in done.stderr
    assert not (tmp_path / "known").exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_at_a_terminal_the_user_decides(tmp_path, server, answer, code):
    done = trust(write_profile(tmp_path, server), answer=answer)
    assert done.returncode == code, done.stderr
    assert "y/N" in done.stderr
    assert (tmp_path / "known").exists() is (code == 0)


@pytest.mark.parametrize("given", ["SHA256:" + "A" * 43, "MD5:aa:bb"])
def test_other_fingerprint_keeps_nothing(tmp_path, server, given):
    done = trust(write_profile(tmp_path, server), "--fingerprint", given)
    assert done.returncode == (5 if given.startswith("SHA256") else 2)
    assert not (tmp_path / "known").exists()


def test_changed_key_is_exchanged_only_on_purpose(tmp_path, server):
    profile, target = write_profile(tmp_path, server), server.target
    make_key(tmp_path / "other")
    old = f"[127.0.0.1]:{target.port} {(tmp_path / 'other.pub').read_text()}"
    (tmp_path / "known").write_text(f"# mine\n{old}elsewhere {(tmp_path / 'other.pub').read_text()}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", tmp_path / "known"], check=True, capture_output=True)
    before = (tmp_path / "known").read_text()
    with pytest.raises(HostKeyError, match="another host key") as caught:
        whoami(profile)
    assert "--replace" in caught.value.hint
    for options in ((), ("--fingerprint", fingerprint(server))):
        done = trust(profile, *options, answer="y\n")
        assert (done.returncode, (tmp_path / "known").read_text()) == (5, before)
    assert trust(profile, "--replace", answer="n\n").returncode == 1
    assert (tmp_path / "known").read_text() == before
    done = trust(profile, "--replace", answer="y\n")
    assert done.returncode == 0, done.stderr
    lines, kept = before.splitlines(), (tmp_path / "known").read_text().splitlines()
    assert [line for line in lines if line not in kept] == [lines[1]]
    assert whoami(profile) == b"in\n"
    assert "127.0.0.1" not in (tmp_path / "known").read_text()


def test_line_that_is_not_the_hosts_alone_is_left_to_the_user(tmp_path, server):
    profile = write_profile(tmp_path, server)
    make_key(tmp_path / "other")
    (tmp_path / "known").write_text(f"[127.0.0.1]:* {(tmp_path / 'other.pub').read_text()}")
    done = trust(profile, "--replace", answer="y\n")
    assert done.returncode == 2
    assert "known line 1" in done.stderr
    assert "other" not in (tmp_path / "known").read_text().split("\n")[1:]


def test_revoked_key_is_never_accepted(tmp_path, server):
    profile = write_profile(tmp_path, server)
    key = (server.target.key.parent / "host.pub").read_text()
    known = f"[127.0.0.1]:{server.target.port} {key}@revoked * {key}"
    (tmp_path / "known").write_text(known)
    with pytest.raises(HostKeyError, match=r"revoked.*known line 2"):
        whoami(profile)
    done = trust(profile, "--replace", "--fingerprint", fingerprint(server), answer="y\n")
    assert done.returncode == 5
    assert (tmp_path / "known").read_text() == known


def test_certificate_authority_is_not_taken_for_a_known_key(tmp_path, server):
    key = (server.target.key.parent / "host.pub").read_text()
    (tmp_path / "known").write_text(f"@cert-authority * {key}")
    with pytest.raises(HostKeyError, match=r"not known.*certificate authority"):
        whoami(write_profile(tmp_path, server))


def test_known_file_may_be_a_link_and_never_something_else(tmp_path, server):
    (tmp_path / "real").write_text("")
    (tmp_path / "known").symlink_to(tmp_path / "real")
    assert trust(write_profile(tmp_path, server), "--fingerprint", fingerprint(server)).returncode == 0
    assert (tmp_path / "known").is_symlink()
    assert (tmp_path / "real").read_text().startswith("[127.0.0.1]")
    profile = write_profile(tmp_path, server, known_hosts=tmp_path)
    assert trust(profile, "--fingerprint", fingerprint(server)).returncode == 2


@pytest.mark.parametrize("name", ["virt-pi5", "local"])
def test_devices_without_a_host_key_say_so(name):
    done = trust(name)
    assert done.returncode == 2
    assert "no SSH host key" in done.stderr


def test_jump_host_is_trusted_first_and_each_by_itself(tmp_path, server, gateway):
    profile = write_profile(tmp_path, server, gateway)
    with pytest.raises(HostKeyError, match=f"the jump host 127.0.0.1 port {gateway.target.port}"):
        whoami(profile)
    half = trust(profile, "--fingerprint", fingerprint(gateway))
    assert half.returncode == 5
    with pytest.raises(HostKeyError, match=f"key of 127.0.0.1 port {server.target.port}"):
        whoami(profile)
    done = trust(profile, "--fingerprint", fingerprint(server))
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(": ")[2].split()[1] for line in done.stdout.splitlines()] == ["already", "now,"]
    assert whoami(profile) == b"in\n"


@pytest.fixture
def behind(tmp_path, server, gateway):
    """A profile of the server behind the gateway; both are known."""
    (tmp_path / "known").write_text(
        "".join(each.target.known_hosts.read_text() for each in (server, gateway))
    )
    return write_profile(tmp_path, server, gateway)


def test_way_through_a_jump_host_carries_files_and_closes_as_one(tmp_path, server, gateway, behind):
    data = os.urandom(5_000_000)
    (tmp_path / "sent").write_bytes(data)
    with open_device(load_profile(str(behind))) as link:
        link.push(tmp_path / "sent", f"{tmp_path}/there", timeout=60)
        link.pull(f"{tmp_path}/there", tmp_path / "back", timeout=60)
        assert children(server.process.pid)
        assert children(gateway.process.pid)
    assert (tmp_path / "back").read_bytes() == data
    for each in (server, gateway):
        assert await_no_child(each.process.pid)


def await_no_child(pid, seconds=10.0):
    import time

    until = time.monotonic() + seconds
    while children(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not children(pid)


def test_changed_key_of_a_jump_host_stops_everything(tmp_path, server, gateway, behind):
    make_key(tmp_path / "other")
    lines = (tmp_path / "known").read_text().splitlines()
    other = f"[127.0.0.1]:{gateway.target.port} {(tmp_path / 'other.pub').read_text()}"
    (tmp_path / "known").write_text(f"{lines[0]}\n{other}")
    with pytest.raises(HostKeyError, match=f"the jump host .* {gateway.target.port} shows another host key"):
        whoami(behind)
    assert not children(server.process.pid)


def test_jump_host_that_lets_nobody_through_is_named(server, gateway, behind):
    allowed = gateway.target.key.with_name("client.pub")
    allowed.write_text("no-port-forwarding " + allowed.read_text())
    with pytest.raises(
        DeviceError, match=f"the jump host .* {gateway.target.port} opens no way to"
    ) as caught:
        whoami(behind)
    assert not caught.value.transient


def test_jump_host_that_does_not_know_our_key_is_named(server, gateway, behind, tmp_path):
    make_key(tmp_path / "stranger")
    shutil.copy(tmp_path / "stranger.pub", gateway.target.key.with_name("client.pub"))
    with pytest.raises(DeviceError, match=f"the jump host .* {gateway.target.port} lets nobody in"):
        whoami(behind)


def test_device_that_the_jump_host_cannot_reach_is_named(tmp_path, server, gateway, behind):
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        port = idle.getsockname()[1]
        config = tmp_path / "ssh_config"
        config.write_text(config.read_text().replace(f"Port {server.target.port}", f"Port {port}"))
        with pytest.raises(
            DeviceUnreachable, match=f"the jump host .* opens no way to 127.0.0.1 port {port}"
        ):
            whoami(behind)


def test_new_device_is_added_once_its_key_is_accepted(tmp_path, server):
    target = server.target
    command = [sys.executable, "-m", "edgeq", "device", "add", "kitchen", "--key", str(target.key)]
    command += ["--ssh", f"127.0.0.1:{target.port}", "--known-hosts", str(tmp_path / "known")]
    environment = {**os.environ, "EDGEQ_CONFIG": str(tmp_path / "own")}

    def add(*more):
        return subprocess.run(
            [*command, *more],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            check=False,
        )

    refused = add()
    assert refused.returncode == 2
    assert fingerprint(server) in refused.stderr
    assert not (tmp_path / "own").exists()
    done = add("--fingerprint", fingerprint(server))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "own/devices/kitchen.toml").is_file()
    assert (tmp_path / "known").read_text().startswith(f"[127.0.0.1]:{target.port} ssh-ed25519 ")


@pytest.mark.parametrize("key", ["password", "passphrase"])
def test_profile_with_a_secret_is_refused_and_the_secret_not_repeated(tmp_path, server, key):
    secret = "correct horse battery"
    profile = write_profile(tmp_path, server, **{key: secret})
    with pytest.raises(ProfileError) as caught:
        load_profile(str(profile))
    assert key in caught.value.message
    assert "ssh-add" in caught.value.hint
    assert secret not in caught.value.message + str(caught.value.hint)


@pytest.fixture
def keyring(tmp_path, server):
    """A server with host keys of four kinds: its port, and kind -> public key."""
    folder = server.target.key.parent
    publics, config = {}, (folder / "config").read_text()
    for kind, bits in (("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384")):
        file = tmp_path / f"{kind}{bits}"
        make = ["ssh-keygen", "-q", "-N", "", "-C", "test", "-t", kind, "-b", bits, "-f", file]
        subprocess.run(make, check=True)
        publics[f"{kind}{bits}"] = file.with_name(f"{file.name}.pub").read_text()
        config += f"HostKey {file}\n"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "config").write_text(config.replace(f"Port {server.target.port}", f"Port {port}"))
    command = [server.process.args[0], "-D", "-e", "-f", tmp_path / "config"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        yield dataclasses.replace(server.target, port=port, known_hosts=tmp_path / "known"), publics
        process.terminate()


@pytest.mark.parametrize("kind", ["rsa2048", "ecdsa256", "ecdsa384"])
def test_known_kind_of_key_is_asked_for_so_that_the_others_do_not_look_changed(keyring, kind):
    target, publics = keyring
    target.known_hosts.write_text(f"{target.host_name} {publics[kind]}")
    with SshLink(target) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"
    assert look_at(target).is_trusted


def test_usual_keys_are_shown_and_all_are_kept(keyring):
    target, publics = keyring
    presented = look_at(target)
    assert [key.kind for key in presented.keys] == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
    assert {parse_key(publics[kind]) for kind in ("rsa2048", "ecdsa256")} < set(presented.keys)
    trust_host(presented, presented.keys, replace=False)
    assert len(target.known_hosts.read_text().splitlines()) == 3
    assert look_at(target).is_trusted
