"""What is tuned on a device is put back, however the session ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace

from edgeq.devices import tuning
from edgeq.devices.local import LocalLink
from edgeq.devices.profile import load_profile
from edgeq.devices.tuning import Setting, tuned
from edgeq.devices.work_folder import use_work_folder
from edgeq.errors import DeviceError

_TUNER = """
import sys, time
from edgeq.devices import tuning
from edgeq.devices.local import LocalLink
from edgeq.devices.profile import load_profile
tuning.GOVERNOR = tuning.Setting(name="governor", get=sys.argv[1], put=sys.argv[2], wanted="performance")
with LocalLink() as link, tuning.tuned(link, load_profile("local"), print):
    print("tuned", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def policies(tmp_path, monkeypatch):
    """Two policies with governors of their own, in files that are written as sysfs is."""
    files = [tmp_path / "policy0", tmp_path / "policy4"]
    for file, governor in zip(files, ("ondemand", "schedutil"), strict=True):
        file.write_text(f"{governor}\n")
    get = f"cat '{tmp_path}'/policy*"
    put = f'for file in \'{tmp_path}\'/policy*; do echo "$1" >"$file" || return; shift; done'
    monkeypatch.setattr(tuning, "GOVERNOR", Setting(name="governor", get=get, put=put, wanted="performance"))
    return files


def read(files):
    return [file.read_text().strip() for file in files]


def await_governors(files, expected):
    until = time.monotonic() + 10
    while read(files) != expected and time.monotonic() < until:
        time.sleep(0.05)
    assert read(files) == expected


def tune():
    told = []
    return LocalLink(), load_profile("local"), told


def test_governors_are_set_and_put_back_each_as_it_was(policies):
    link, profile, told = tune()
    with link, tuned(link, profile, told.append):
        assert read(policies) == ["performance", "performance"]
    assert read(policies) == ["ondemand", "schedutil"]
    assert told == ["governor is performance for this session, set from ondemand schedutil"]


def test_governors_are_put_back_after_a_failure(policies):
    link, profile, told = tune()

    def fail():
        with link, tuned(link, profile, told.append):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read(policies) == ["ondemand", "schedutil"]


def test_governors_are_put_back_when_edgeq_is_killed(policies):
    arguments = [tuning.GOVERNOR.get, tuning.GOVERNOR.put]
    process = subprocess.Popen([sys.executable, "-c", _TUNER, *arguments], stdout=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"governor is performance")
    assert read(policies) == ["performance", "performance"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    await_governors(policies, ["ondemand", "schedutil"])


def use(link, profile):
    return use_work_folder(link, profile, wait=0, announce=lambda _line: None)


@pytest.mark.parametrize("shell", ["dash", "mksh", "busybox"])
def test_next_user_finds_what_it_was_before_a_connection_died(policies, tmp_path, monkeypatch, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").write_text(f'#!/bin/bash\nexec -a sh {program} "$@"\n')
    (tools / "sh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    profile, told = replace(load_profile("local"), work_folder=f"{tmp_path}/work"), []
    with LocalLink() as dead, LocalLink() as link, contextlib.ExitStack() as old:
        with use(dead, profile):
            # Its edgeq is gone, and the device has not noticed: the shell's input stays open.
            old.enter_context(tuned(dead, profile, told.append))
        assert read(policies) == ["performance", "performance"]
        with use(link, profile):
            assert read(policies) == ["ondemand", "schedutil"]
            with tuned(link, profile, told.append):
                old.close()
                assert read(policies) == ["performance", "performance"]
            assert read(policies) == ["ondemand", "schedutil"]
        assert not list((tmp_path / "work").glob("tuned.*"))
    assert told == ["governor is performance for this session, set from ondemand schedutil"] * 2


def test_mark_that_a_restart_left_ends_no_stranger(tmp_path):
    profile = replace(load_profile("local"), work_folder=f"{tmp_path}/work")
    (tmp_path / "work").mkdir(mode=0o700)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / f"work/tuned.{stranger.pid}").write_text("")
        with LocalLink() as link, use(link, profile):
            assert not list((tmp_path / "work").glob("tuned.*"))
        assert stranger.poll() is None
        stranger.kill()


def test_device_that_refuses_keeps_what_it_had_and_says_so(policies, monkeypatch):
    refusing = Setting(name="governor", get=tuning.GOVERNOR.get, put="return 1", wanted="performance")
    monkeypatch.setattr(tuning, "GOVERNOR", refusing)
    link, profile, told = tune()
    with link, pytest.raises(DeviceError, match="nothing could be tuned") as caught:
        tuned(link, profile, told.append).__enter__()
    assert "root" in caught.value.hint
    assert told == ["governor is not tuned: this user may not set it"]
    assert read(policies) == ["ondemand", "schedutil"]


def test_device_without_the_setting_says_so(monkeypatch):
    monkeypatch.setattr(tuning, "GOVERNOR", Setting(name="governor", get="false", put="false", wanted="x"))
    link, profile, told = tune()
    with link, pytest.raises(DeviceError, match="nothing could be tuned"):
        tuned(link, profile, told.append).__enter__()
    assert told == ["governor is not tuned: the device does not tell what it is"]
