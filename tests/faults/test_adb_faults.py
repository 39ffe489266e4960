"""What goes wrong on the way to a phone: real adb, the real adbd, and links between them that fail."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from peers import await_end, children
from phone_peers.phone import run_phone

from edgeq.devices.adb.client import AdbTarget, find_adb
from edgeq.devices.adb.link import AdbLink
from edgeq.devices.adb.phone import check_phone
from edgeq.devices.deploy import make_folders
from edgeq.devices.opening import open_device
from edgeq.devices.profile import AdbSpec, DeviceProfile
from edgeq.errors import DeadlineError, DeployError, DeviceError, DeviceUnreachable, HostError, ProfileError

PLACE = "/data/local/tmp"


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    with run_phone(tmp_path_factory.mktemp("phone")) as running:
        yield running


@pytest.fixture(autouse=True)
def _adb(phone, monkeypatch):
    monkeypatch.setenv("ADB", str(phone.adb))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)


@pytest.fixture
def link(phone):
    with AdbLink(AdbTarget(phone.serial)) as opened:
        yield opened


@pytest.fixture
def place(phone, link):
    """An empty folder on the phone: what it is called there, and where it is seen from here."""
    name = f"{PLACE}/{os.urandom(4).hex()}"
    make_folders(link, name, [])
    return name, phone.path(name)


def names(seen):
    return sorted(path.name for path in seen.iterdir())


def await_names(seen, expected, seconds=10):
    until = time.monotonic() + seconds
    while names(seen) != expected and time.monotonic() < until:
        time.sleep(0.05)
    return names(seen)


def large_file(tmp_path, size=20_000_000):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(size))
    return path


def test_phone_that_has_not_allowed_us_says_what_to_tap(phone):
    with phone.faulty("deny") as serial, pytest.raises(DeviceError, match="unauthorized") as caught:
        AdbLink(AdbTarget(serial)).run(["true"], timeout=30)
    assert "tap Allow" in caught.value.hint
    assert not caught.value.transient
    assert caught.value.private == (serial,)


def test_phone_that_does_not_answer_is_offline(phone):
    with phone.faulty("silent") as serial, pytest.raises(DeviceUnreachable, match="offline"):
        AdbLink(AdbTarget(serial)).run(["true"], timeout=30)


def test_phone_without_shell_v2_is_too_old(phone):
    with phone.faulty("old") as serial, pytest.raises(DeviceError, match="shell_v2") as caught:
        AdbLink(AdbTarget(serial)).run(["true"], timeout=30)
    assert "Android 8" in caught.value.hint


def test_two_phones_and_no_serial_are_both_listed(phone):
    with phone.faulty("old") as other:
        phone.call("connect", other)
        with pytest.raises(ProfileError) as caught:
            AdbLink(AdbTarget()).run(["true"], timeout=30)
    assert f"{phone.serial} (device)" in caught.value.message
    assert f"{other} (device)" in caught.value.message
    assert caught.value.exit_code == 2


def test_only_phone_needs_no_serial(phone, monkeypatch):
    with AdbLink(AdbTarget()) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"
    with phone.faulty("old") as other:
        phone.call("connect", other)
        monkeypatch.setenv("ANDROID_SERIAL", phone.serial)
        with AdbLink(AdbTarget()) as link:
            assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"


@pytest.mark.parametrize("serial", ["127.0.0.1:9", "NO-SUCH-PHONE"])
def test_phone_that_is_not_there_is_unreachable_and_the_others_are_named(phone, serial):
    with pytest.raises(DeviceUnreachable, match=f"no phone {serial}.*{phone.serial}"):
        AdbLink(AdbTarget(serial)).run(["true"], timeout=30)


def test_no_phone_at_all_is_unreachable(phone):
    phone.call("disconnect")
    try:
        with pytest.raises(DeviceUnreachable, match="sees no phone") as caught:
            AdbLink(AdbTarget()).run(["true"], timeout=30)
        assert "USB debugging" in caught.value.hint
    finally:
        phone.call("connect", phone.serial)


def test_missing_adb_names_the_package(monkeypatch, tmp_path):
    monkeypatch.delenv("ADB")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="adb is not installed") as caught:
        find_adb()
    assert "apt-get install adb" in caught.value.hint
    monkeypatch.setenv("ADB", "/nowhere/adb")
    with pytest.raises(HostError, match="ADB=/nowhere/adb"):
        find_adb()


def test_server_of_another_machine_is_asked_and_named_when_it_is_not_there(phone):
    with AdbLink(AdbTarget(phone.serial, "127.0.0.1:5037")) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"
    with pytest.raises(DeviceUnreachable, match="adb server does not answer"):
        AdbLink(AdbTarget(phone.serial, "127.0.0.1:9")).run(["true"], timeout=30)
    with pytest.raises(ProfileError, match="no host:port"):
        AdbLink(AdbTarget(phone.serial, "somewhere")).run(["true"], timeout=30)


@pytest.mark.parametrize("size", [5_000, 1_000_000, 15_000_000])
def test_link_that_drops_in_a_push_leaves_nothing_there_and_the_next_push_works(phone, place, tmp_path, size):
    name, seen = place
    large = large_file(tmp_path)
    with phone.relay("drop", size) as serial, AdbLink(AdbTarget(serial)) as link:
        with pytest.raises(DeviceUnreachable):
            link.push(large, f"{name}/large", timeout=30)
        assert await_names(seen, []) == []
        link.push(large, f"{name}/large", timeout=30)
    assert (seen / "large").read_bytes() == large.read_bytes()


@pytest.mark.parametrize("size", [0, 100])
def test_link_that_drops_while_it_is_opened_is_opened_again(phone, size):
    with phone.relay("drop", size) as serial, AdbLink(AdbTarget(serial)) as link:
        assert link.run(["echo", "in"], timeout=30).stdout == b"in\n"


def test_link_that_drops_in_a_pull_leaves_nothing_here_and_the_next_pull_works(phone, place, tmp_path):
    name, seen = place
    (seen / "large").write_bytes(os.urandom(20_000_000))
    with phone.relay("drop", 8_000_000) as serial, AdbLink(AdbTarget(serial)) as link:
        with pytest.raises(DeviceUnreachable, match="lost the phone"):
            link.pull(f"{name}/large", tmp_path / "here", timeout=30)
        assert names(tmp_path) == []
        link.pull(f"{name}/large", tmp_path / "here", timeout=30)
    assert (tmp_path / "here").read_bytes() == (seen / "large").read_bytes()


def test_link_that_drops_in_a_command_is_reported_at_once_and_ends_the_command(phone, place):
    name, seen = place
    with phone.relay("drop", 20_000) as serial, AdbLink(AdbTarget(serial)) as link:
        script = f"echo $$ >'{name}/pid'; head -c 30000 /dev/zero; sleep 300"
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="lost the phone"):
            link.run(["sh", "-c", script], timeout=100)
        assert time.monotonic() - start < 20
        assert await_end(int((seen / "pid").read_text()))
        assert link.run(["echo", "fine"], timeout=30).stdout == b"fine\n"


def test_link_that_stands_still_in_a_command_is_noticed(phone):
    with phone.relay("stall", 20_000) as serial, AdbLink(AdbTarget(serial)) as link:
        with pytest.raises(DeviceUnreachable, match="has not answered for 10 s"):
            link.run(["sh", "-c", "head -c 30000 /dev/zero; sleep 300"], timeout=100)
        assert link.run(["echo", "fine"], timeout=30).stdout == b"fine\n"


def test_link_that_stands_still_ends_at_the_deadline_and_is_opened_anew(phone, place, tmp_path):
    name, seen = place
    large = large_file(tmp_path)
    with phone.relay("stall", 8_000_000) as serial, AdbLink(AdbTarget(serial)) as link:
        with pytest.raises(DeadlineError, match=r"within 2 s"):
            link.push(large, f"{name}/large", timeout=2)
        link.push(large, f"{name}/large", timeout=30)
    # The half file goes when the phone, too, knows that the first connection is dead.
    assert await_names(seen, ["large"]) == ["large"]


def test_killed_adb_client_leaves_nothing_running_on_the_phone(phone, link, place):
    name, seen = place
    failures = []

    def run():
        script = f"sleep 300 & echo $$ $! >'{name}/part'; mv '{name}/part' '{name}/pids'; wait"
        try:
            link.run(["sh", "-c", script], timeout=100)
        except DeviceUnreachable as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert await_names(seen, ["pids"]) == ["pids"]
    pids = [int(pid) for pid in (seen / "pids").read_text().split()]
    (client,) = (pid for pid in children(os.getpid()) if b"shell" in command_line(pid))
    os.kill(client, signal.SIGKILL)
    thread.join(20)
    assert len(failures) == 1
    assert all(await_end(pid) for pid in pids)


def test_killed_edgeq_leaves_nothing_half_written_on_the_phone(phone, link, place, tmp_path):
    name, seen = place
    large = large_file(tmp_path, 50_000_000)
    program = (
        "import sys, time; from pathlib import Path; from edgeq.devices.adb.link import AdbLink;"
        "from edgeq.devices.adb.client import AdbTarget;"
        "AdbLink(AdbTarget(sys.argv[1])).push(Path(sys.argv[2]), sys.argv[3], timeout=60,"
        " progress=lambda done, total: time.sleep(60) if done > total / 2 else None)"
    )
    words = [sys.executable, "-c", program, phone.serial, str(large), f"{name}/large"]
    process = subprocess.Popen(words)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)
    assert len(names(seen)) == 1
    assert names(seen) != ["large"]
    process.kill()
    process.wait()
    assert await_names(seen, []) == []


def test_full_disk_is_named_and_leaves_nothing(tmp_path):
    folder = tmp_path / "phone"
    folder.mkdir()
    with run_phone(folder, data="size=5m,mode=0771") as small, small.link() as link:
        with pytest.raises(DeployError, match="No space left") as caught:
            link.push(large_file(tmp_path), f"{PLACE}/large", timeout=30)
        assert "make room" in caught.value.hint
        assert names(small.path(PLACE)) == []


@pytest.mark.parametrize("option", ["noexec", "ro"])
def test_folder_that_runs_no_programs_is_refused(phone, link, place, option):
    name, seen = place
    phone.remount(option)
    try:
        with pytest.raises(DeviceError, match=f"no program may run in {name}"):
            check_phone(link, name)
    finally:
        phone.remount("rw,exec")
    assert names(seen) == []


def test_phone_that_hides_its_cores_is_refused(phone, link):
    with phone.hide_cores(), pytest.raises(DeviceError, match=r"XNNPACK backend is not available"):
        check_phone(link, f"{PLACE}/edgeq")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        (
            {"ro.product.cpu.abilist64": "", "ro.product.cpu.abilist": "armeabi-v7a"},
            "a 32-bit one.*-v7a",
        ),
        ({"ro.product.cpu.abilist64": "x86_64"}, "an x86 one"),
        ({"ro.build.version.sdk": "24", "ro.build.version.release": "7.0"}, r"Android 7\.0 \(API 24\)"),
    ],
)
def test_phone_of_another_kind_is_refused_by_name(phone, link, properties, words):
    check_phone(link, f"{PLACE}/edgeq")
    phone.set_properties(properties)
    try:
        with pytest.raises(DeviceError, match=words):
            check_phone(link, f"{PLACE}/edgeq")
    finally:
        phone.set_properties({})


def test_profile_opens_the_phone_that_it_names(phone):
    spec = AdbSpec(serial=phone.serial)
    with open_device(DeviceProfile(schema=1, description="test", link=spec)) as link:
        assert link.run(["getprop", "ro.product.model"], timeout=30).stdout == b"Peer <b>1</b>\n"


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()
