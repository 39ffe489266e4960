"""`edgeq device add`, `check`, `discover` and `list` as a user meets them, against a real OpenSSH server."""

import getpass
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from peers import run_sshd
from phone_peers.phone import run_phone

from edgeq.devices.profile import read_profile


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with run_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def edgeq(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "edgeq", "device", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=90,
            env=os.environ | {"EDGEQ_CONFIG": str(tmp_path / "config"), "NO_COLOR": "1"},
            check=False,
        )

    return run


@pytest.fixture
def adb_server(monkeypatch):
    """An adb server of the test's own, if it starts one: adb itself leaves its server running."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(probe.getsockname()[1]))
    yield
    subprocess.run(["adb", "kill-server"], capture_output=True, timeout=30, check=False)


@pytest.fixture
def add(edgeq, server):
    def add_device(name, *more):
        target = server.target
        keys = ("--key", target.key, "--known-hosts", target.known_hosts)
        return edgeq("add", name, "--ssh", f"{getpass.getuser()}@{target.host}:{target.port}", *keys, *more)

    return add_device


def test_device_is_added_checked_listed_and_shown(add, edgeq, tmp_path):
    added = add("my-board")
    assert added.returncode == 0, added.stderr
    path = tmp_path / "config" / "devices" / "my-board.toml"
    assert added.stdout.split("\n")[0] == str(path)
    assert "edgeq device check my-board" in added.stderr
    text = path.read_text()
    assert "PRIVATE KEY" not in text
    assert read_profile(path).link.host == "127.0.0.1"

    checked = edgeq("check", "my-board")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for name in (
        "reachable",
        "architecture",
        "C library",
        "work folder",
        "tools",
        "free space",
        "memory",
        "clock",
    ):
        assert f"ok      {name}" in checked.stdout
    assert "a program was written and ran there" in checked.stdout

    listed = edgeq("list")
    assert [line.split()[1:3] for line in listed.stdout.split("\n") if line.startswith("my-board")] == [
        ["hardware", "you"]
    ]
    shown = edgeq("show", "my-board").stdout
    assert 'host = "127.0.0.1"' in shown
    assert "[[sensors]]" in shown


def test_phone_is_discovered_added_and_checked(edgeq, tmp_path, monkeypatch):
    (tmp_path / "phone").mkdir()
    with run_phone(tmp_path / "phone") as phone:
        monkeypatch.setenv("ADB", str(phone.adb))
        added = edgeq("add", "my-phone", "--adb", phone.serial)
        assert added.returncode == 0, added.stderr
        found = json.loads(edgeq("discover", "--json").stdout)
        assert found["phones"] == [{"serial": phone.serial, "state": "device", "profile": "my-phone"}]
        assert {each["device"]: each["state"] for each in found["devices"]}["my-phone"] == "answers"
        checked = edgeq("check", "my-phone")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        for name in ("ABI", "Android", "page size", "executable folder", "cores", "free space"):
            assert f"ok      {name}" in checked.stdout


def test_device_is_not_added_twice(add, tmp_path):
    assert add("twice").returncode == 0
    path = tmp_path / "config" / "devices" / "twice.toml"
    before = path.read_bytes()
    again = add("twice")
    assert again.returncode == 2
    assert "already" in again.stderr
    assert path.read_bytes() == before


def test_device_that_does_not_answer_is_not_added(edgeq, tmp_path):
    answer = edgeq("add", "gone", "--ssh", "127.0.0.1:1")
    assert answer.returncode == 4
    assert "127.0.0.1 port 1" in answer.stderr
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "x"), "--ssh or --adb"),
        (("add", "x", "--ssh", "a@b", "--adb", "c"), "--ssh or --adb"),
        (("add", "x", "--ssh", "a b"), "no address"),
        (("add", "local", "--ssh", "a@b"), "ships"),
        (("add", "../x", "--ssh", "a@b"), "no name"),
        (("check", "no-such-device"), "edgeq device add"),
    ],
)
def test_mistake_is_told_without_a_traceback(edgeq, arguments, words):
    answer = edgeq(*arguments)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def write_own(tmp_path, name, text):
    folder = tmp_path / "config" / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)


def test_check_of_a_device_that_is_off_says_so_and_exits_4(edgeq, tmp_path):
    text = 'schema = 1\nextends = "raspberry-pi-5"\n[link]\nhost = "127.0.0.1"\nport = 1\n'
    write_own(tmp_path, "off", text)
    answer = edgeq("check", "off")
    assert answer.returncode == 4
    assert answer.stdout.startswith("missing reachable")


def test_check_names_what_fails_and_exits_5(add, edgeq, tmp_path):
    assert add("small").returncode == 0
    write_own(
        tmp_path,
        "smaller",
        'schema = 1\nextends = "small"\nwork_folder = "/proc/nowhere/edgeq"\n'
        "[limits]\nfree_memory = 1_000_000_000_000_000\n",
    )
    answer = edgeq("check", "smaller", "--json")
    assert answer.returncode == 5
    assert "work folder, memory" in answer.stderr
    document = json.loads(answer.stdout)
    needs = {need["name"]: need for need in document["needs"]}
    assert document["usable"] is False
    assert (needs["work folder"]["state"], needs["memory"]["state"]) == ("missing", "missing")
    assert needs["work folder"]["remedy"]
    assert needs["reachable"]["state"] == "ok"


def test_work_folder_is_left_as_it_was_found(add, edgeq, tmp_path):
    assert add("mine").returncode == 0
    work = tmp_path / "work folder"
    write_own(tmp_path, "other", f'schema = 1\nextends = "mine"\nwork_folder = "{work}"\n')
    assert edgeq("check", "other").returncode == 0
    assert not work.exists()
    work.mkdir(mode=0o700)
    assert edgeq("check", "other").returncode == 0
    assert list(work.iterdir()) == []


@pytest.mark.usefixtures("adb_server")
def test_discover_asks_all_at_once_and_waits_for_none(add, edgeq, tmp_path):
    assert add("there").returncode == 0
    for number in range(3):  # an address of TEST-NET-1, from where nothing answers (RFC 5737)
        text = f'schema = 1\nextends = "raspberry-pi-5"\n[link]\nhost = "192.0.2.{number + 1}"\n'
        write_own(tmp_path, f"silent-{number}", text)
    start = time.monotonic()
    answer = edgeq("discover", "--seconds", "4", "--json")
    assert time.monotonic() - start < 15
    assert answer.returncode == 0, answer.stderr
    states = {each["device"]: each["state"] for each in json.loads(answer.stdout)["devices"]}
    assert (states["there"], states["local"]) == ("answers", "answers")
    assert {states[f"silent-{number}"] for number in range(3)} == {"does not answer"}
    assert states["emulator-a76"] == "can be started"
    assert "there" in edgeq("discover", "--seconds", "4").stdout


def test_list_shows_the_good_ones_and_names_a_bad_one(edgeq, tmp_path):
    write_own(tmp_path, "bad", 'schema = 1\nextends = "raspberry-pi-5"\ncolour = "red"\n')
    write_own(tmp_path, "local", 'schema = 1\nextends = "raspberry-pi-5"\n')
    answer = edgeq("list")
    assert answer.returncode == 2
    assert "virt-pi5" in answer.stdout
    assert "bad.toml" in answer.stderr
    assert "colour" in answer.stderr
    assert "local is the name of a device that edgeq ships" in answer.stderr
