"""What a killed edgeq leaves on a device, and what a device without the means for a lock says."""

import contextlib
import os
import signal
import subprocess
import sys

import msgspec
import pytest

from edgeq.devices import lock
from edgeq.devices.deploy import deploy_folder
from edgeq.devices.local import LocalLink
from edgeq.devices.lock import hold_device
from edgeq.devices.profile import load_profile
from edgeq.devices.work_folder import use_work_folder
from edgeq.errors import DeviceBusy, DeviceError

# Says "held" and waits with the device in hand until somebody ends it.
_HOLDER = """
import sys, time
from edgeq.devices.local import LocalLink
from edgeq.devices.lock import hold_device
with LocalLink() as link, hold_device(link, sys.argv[1], "here", wait=0, announce=print):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def link():
    with LocalLink() as here:
        yield here


@pytest.fixture
def profile(tmp_path):
    return msgspec.structs.replace(load_profile("local"), work_folder=f"{tmp_path}/work")


def use(link, profile):
    return use_work_folder(link, profile, wait=0, announce=lambda _line: None)


def test_killed_holder_lets_go_at_once(link, tmp_path):
    root = f"{tmp_path}/work"
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, root], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DeviceBusy, match=f"process {holder.pid}"):
        hold_device(link, root, "here", wait=0, announce=print).__enter__()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with hold_device(link, root, "here", wait=10, announce=print):
        pass


def test_next_run_removes_what_a_killed_one_left_and_nothing_else(link, profile, tmp_path):
    (tmp_path / "file").write_text("content")
    folder = deploy_folder(link, profile.work_folder, {"parts/file": tmp_path / "file"})
    (tmp_path / "work/run.dead").mkdir()
    (tmp_path / "work/run.dead/result.json").write_text("{}")
    half = os.path.join(folder, "parts/.file.0123456789ab")  # noqa: PTH118 - a device's path
    with open(half, "w") as file:  # noqa: PTH123
        file.write("cont")
    with use(link, profile):
        assert not (tmp_path / "work/run.dead").exists()
        assert os.listdir(f"{folder}/parts") == ["file"]  # noqa: PTH208


def test_folder_stays_or_goes_as_the_profile_says(link, profile, tmp_path):
    with use(link, profile):
        deploy_folder(link, profile.work_folder, {})
    assert (tmp_path / "work").is_dir()
    with use(link, msgspec.structs.replace(profile, keep_files=False)):
        pass
    assert not (tmp_path / "work").exists()


def test_folder_goes_after_a_failure_too(link, profile, tmp_path):
    def fail():
        with use(link, msgspec.structs.replace(profile, keep_files=False)):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (tmp_path / "work").exists()


def test_waiting_user_gets_a_device_whose_holder_keeps_no_files(link, profile, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_ASK_SECONDS", 0.2)
    with contextlib.ExitStack() as first:
        first.enter_context(use(link, msgspec.structs.replace(profile, keep_files=False)))
        with use_work_folder(link, profile, wait=60, announce=lambda _line: first.close()):
            assert (tmp_path / "work/lock").exists()


def test_lock_whose_file_was_removed_while_it_was_taken_is_taken_again(link, profile, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_ASK_SECONDS", 0.2)
    tools, root = tmp_path / "tools", profile.work_folder
    tools.mkdir()
    remover = tools / "flock"
    # The holder's removal, right before its end: after the lock's file was opened, before it was locked.
    remover.write_text(f"#!/bin/sh\nrm -rf '{root}' '{remover}'\nexec /usr/bin/flock \"$@\"\n")
    remover.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with hold_device(link, root, "here", wait=10, announce=print):
        assert not remover.exists()
        with pytest.raises(DeviceBusy, match=f"process {os.getpid()}"):
            hold_device(link, root, "here", wait=0, announce=print).__enter__()


def test_files_are_removed_before_the_lock_that_keeps_others_out(link, profile, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    seen = tmp_path / "seen"
    spy = tools / "rm"
    spy.write_text(f"#!/bin/sh\necho $(ls -A '{profile.work_folder}') >>'{seen}'\nexec /usr/bin/rm \"$@\"\n")
    spy.chmod(0o755)
    with use(link, msgspec.structs.replace(profile, keep_files=False)):
        deploy_folder(link, profile.work_folder, {})
        (tmp_path / "work/store").mkdir()
        (tmp_path / "work/.odd").write_text("")
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert ["lock", "lock.beat", "lock.owner"] in [line.split() for line in seen.read_text().splitlines()]
    assert not (tmp_path / "work").exists()


def test_device_without_flock_says_so(link, profile, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "mkdir", "setsid", "env"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(DeviceError, match="has no `flock`") as caught:
        use(link, profile).__enter__()
    assert "util-linux" in caught.value.hint
