"""One device, one user, on every kind of device."""

import contextlib
import time

import pytest

from edgeq.devices import lock
from edgeq.devices.lock import hold_device
from edgeq.errors import DeviceBusy

# A board is made for one session, so that nobody can come second; its busybox has no flock.
pytestmark = pytest.mark.parametrize("peer", ["local", "ssh", "adb", "emulator"], indirect=True)


def hold(link, root, *, wait=0, announce=lambda _line: None):
    return hold_device(link, root, "pi", wait=wait, announce=announce)


def test_second_user_is_refused_and_told_who_has_it(link, remote):
    with hold(link, remote), pytest.raises(DeviceBusy, match=r"pi is in use by .+@.+, process \d+") as caught:
        hold(link, remote).__enter__()
    assert caught.value.exit_code == 4
    with hold(link, remote):
        pass


def test_second_user_waits_until_the_first_is_done(link, remote, monkeypatch):
    monkeypatch.setattr(lock, "_ASK_SECONDS", 0.2)
    told = []
    with contextlib.ExitStack() as first:
        first.enter_context(hold(link, remote))

        def leave(line):
            told.append(line)
            first.close()

        with hold(link, remote, wait=60, announce=leave):
            assert len(told) == 1
    assert "waiting for" in told[0]


def test_second_user_gets_the_device_when_the_first_removes_the_work_folder(link, remote, monkeypatch):
    monkeypatch.setattr(lock, "_ASK_SECONDS", 0.2)
    with contextlib.ExitStack() as first:
        first.enter_context(hold(link, remote))

        def leave(_line):
            first.close()
            link.run(["rm", "-rf", "--", remote], timeout=60)

        with hold(link, remote, wait=60, announce=leave):
            names = link.run(["ls", remote], timeout=60).stdout.split()
            assert set(names) == {b"lock", b"lock.beat", b"lock.owner"}


def test_holder_that_is_not_heard_of_is_ended(link, remote, monkeypatch):
    monkeypatch.setattr(lock, "QUIET_SECONDS", 1)
    told = []
    with hold(link, remote):
        time.sleep(3)
        with hold(link, remote, wait=30, announce=told.append):
            pass
    assert "not heard of for" in told[0]


def test_holder_that_is_heard_of_keeps_the_device(link, remote, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lock, "QUIET_SECONDS", 2)
    with hold(link, remote):
        time.sleep(4)
        with pytest.raises(DeviceBusy):
            hold(link, remote).__enter__()


def test_lock_leaves_nothing_that_runs_and_no_owner(link, remote):
    with hold(link, remote):
        names = link.run(["ls", remote], timeout=60).stdout.split()
        assert set(names) == {b"lock", b"lock.beat", b"lock.owner"}
    assert link.run(["ls", remote], timeout=60).stdout.split() == [b"lock"]


def test_lock_that_a_broken_link_left_behind_is_ended_at_once(link, remote, peer):
    with peer.another() as broken:
        device = hold(broken, remote)
        device.__enter__()
        # The link to it has died without a word: the holder does not see the end of its input.
        lock._let_go.update(lock._try_take(link, remote, "another")[1].word.split())
        start = time.monotonic()
        with hold(link, remote, wait=60):
            assert time.monotonic() - start < 20
        device.__exit__(None, None, None)
