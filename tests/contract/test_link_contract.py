"""What every link does, whatever lies under it."""

import hashlib
import os
import time

import pytest

from edgeq.errors import DeployError, DeviceError, DeviceUnreachable

AWKWARD = [
    "a b",
    "",
    "it's",
    'say "hi"',
    "two\nlines",
    "$HOME `id` $(id)",
    "a\\b",
    "*",
    "~",
    "-n",
    "Größe 日本",
    "!",
]


def read(link, path):
    return link.run(["cat", path], timeout=60).check("cat").stdout


def names(link, folder):
    return link.run(["ls", "-A", folder], timeout=60).check("ls").stdout.decode().split()


def test_arguments_arrive_as_they_were(link):
    done = link.run(["sh", "-c", 'for each; do printf "%s\\0" "$each"; done', "sh", *AWKWARD], timeout=60)
    assert done.stdout.decode().split("\0")[:-1] == AWKWARD


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_comes_back(link, code):
    assert link.run(["sh", "-c", f"exit {code}"], timeout=60).exit_code == code


def test_signal_becomes_128_and_its_number(link):
    assert link.run(["sh", "-c", "kill -KILL $$"], timeout=60).exit_code == 128 + 9


def test_program_that_is_missing_gives_127(link):
    done = link.run(["no-such-program"], timeout=60)
    assert done.exit_code == 127
    assert b"no-such-program" in done.stderr
    with pytest.raises(DeviceError, match=r"127.*no-such-program"):
        done.check("running it")


def test_stdout_and_stderr_stay_apart(link):
    done = link.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=60)
    assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 3)


def test_command_that_reads_gets_an_empty_input(link):
    assert link.run(["cat"], timeout=60).stdout == b""


def test_much_output_on_both_streams_comes_whole(link, peer):
    half = peer.plenty // 2
    script = f"head -c {half} /dev/zero >&2; head -c {half} /dev/zero; exit 7"
    done = link.run(["sh", "-c", script], timeout=120)
    assert (len(done.stdout), len(done.stderr), done.exit_code) == (half, half, 7)


def test_deadline_ends_the_wait_and_names_the_command(link):
    start = time.monotonic()
    with pytest.raises(DeviceUnreachable, match=r"sleep 60.* within 0\.5 s"):
        link.run(["sleep", "60"], timeout=0.5)
    assert time.monotonic() - start < 20
    assert link.run(["echo", "still here"], timeout=60).stdout == b"still here\n"


def test_file_goes_there_and_back_unchanged(link, remote, tmp_path):
    data = os.urandom(1_000_003)
    (tmp_path / "sent").write_bytes(data)
    (tmp_path / "sent").chmod(0o750)
    seen = []
    link.push(tmp_path / "sent", f"{remote}/a file", timeout=120, progress=lambda *at: seen.append(at))
    link.pull(f"{remote}/a file", tmp_path / "back", timeout=120)
    assert (tmp_path / "back").read_bytes() == data
    assert seen[-1] == (len(data), len(data))
    told = link.run(["sha256sum", f"{remote}/a file"], timeout=60).stdout.decode()
    assert told.split()[0] == hashlib.sha256(data).hexdigest()
    assert link.run(["stat", "-c", "%a", f"{remote}/a file"], timeout=60).stdout == b"750\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "sent"]


def test_empty_file_goes_there_and_back(link, remote, tmp_path):
    (tmp_path / "empty").touch()
    link.push(tmp_path / "empty", f"{remote}/empty", timeout=60)
    link.pull(f"{remote}/empty", tmp_path / "back", timeout=60)
    assert (tmp_path / "back").read_bytes() == b""


def test_push_replaces_what_was_there(link, remote, tmp_path):
    for text in ("a longer text at first", "then a short one"):
        (tmp_path / "file").write_text(text)
        link.push(tmp_path / "file", f"{remote}/file", timeout=60)
        assert read(link, f"{remote}/file") == text.encode()
    assert names(link, remote) == ["file"]


def test_pull_of_a_missing_file_leaves_nothing_here(link, remote, tmp_path):
    with pytest.raises(DeviceError, match=r"missing.*No such file"):
        link.pull(f"{remote}/missing", tmp_path / "here", timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_push_into_a_missing_folder_is_refused(link, remote, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeployError, match="nowhere"):
        link.push(tmp_path / "file", f"{remote}/nowhere/file", timeout=60)


def test_push_where_no_file_can_be_is_refused(link, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeployError, match="/proc/file"):
        link.push(tmp_path / "file", "/proc/file", timeout=60)


def test_push_onto_a_folder_leaves_it_and_nothing_beside_it(link, remote, tmp_path):
    (tmp_path / "file").write_text("x")
    link.run(["mkdir", f"{remote}/folder"], timeout=60).check("mkdir")
    with pytest.raises(DeployError):
        link.push(tmp_path / "file", f"{remote}/folder", timeout=60)
    assert names(link, remote) == ["folder"]


def test_closing_twice_is_fine_and_the_next_use_opens_again(link, peer):
    link.close()
    link.close()
    assert link.run(["echo", "again"], timeout=60).stdout == b"again\n"
