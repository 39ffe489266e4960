"""What every link does, whatever lies under it."""

import contextlib
import hashlib
import multiprocessing
import os
import signal
import threading
import time

import pytest
from awkward import AWKWARD

from edgeq.errors import DeadlineError, DeployError, DeviceError, DeviceUnreachable


def read(link, path):
    return link.run(["cat", path], timeout=60).check("cat").stdout


def names(link, folder):
    return link.run(["ls", "-A", folder], timeout=60).check("ls").stdout.decode().split()


def test_arguments_arrive_as_they_were(link):
    done = link.run(["sh", "-c", 'for each; do printf "%s\\0" "$each"; done', "sh", *AWKWARD], timeout=60)
    assert done.stdout.decode().split("\0")[:-1] == list(AWKWARD)


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
    with pytest.raises(DeadlineError, match=r"sleep 60.* within 0\.5 s"):
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


def test_environment_is_the_commands(link):
    value = 'it\'s $HOME `id`\nand "more" = Größe'
    done = link.run(["sh", "-c", 'printf %s "$NEW"'], timeout=60, environment={"NEW": value, "OTHER": ""})
    assert (done.exit_code, done.stdout.decode()) == (0, value)
    assert link.run(["sh", "-c", 'echo "${NEW-unset}"'], timeout=60).stdout == b"unset\n"


def test_file_that_is_no_program_gives_126(link, remote):
    link.run(["touch", f"{remote}/file"], timeout=60).check("touch")
    assert link.run([f"{remote}/file"], timeout=60).exit_code == 126


def test_started_command_is_talked_with_until_it_is_let_go(link, remote):
    script = 'while read -r line; do echo "<$line>"; echo noise >&2; done; echo "$1"; : >"$2"'
    running = link.start(["sh", "-c", script, "sh", "it's over", f"{remote}/ended"])
    running.write(b"one\ntwo\n")
    assert running.read_line(timeout=60) == b"<one>"
    assert running.read_line(timeout=60) == b"<two>"
    with pytest.raises(DeviceUnreachable, match=r"within 0\.2 s"):
        running.read_line(timeout=0.2)
    running.write(b"three\n")
    assert running.read_line(timeout=60) == b"<three>"
    running.close()
    running.close()
    assert names(link, remote) == ["ended"]


def test_started_command_that_ended_says_so(link):
    running = link.start(["sh", "-c", "echo last; exec printf end"])
    assert running.read_line(timeout=60) == b"last"
    assert running.read_line(timeout=60) == b"end"
    with pytest.raises(EOFError):
        running.read_line(timeout=60)
    running.close()


def test_started_command_stays_while_others_run(link):
    running = link.start(["cat"])
    for word in (b"one", b"two"):
        assert link.run(["echo", "beside"], timeout=60).stdout == b"beside\n"
        running.write(word + b"\n")
        assert running.read_line(timeout=60) == word
    running.close()


# Writes to the file `$1` who is there, itself and a child that ignores SIGTERM.
LONG = 'trap \'\' TERM; sleep 300 & echo $$ $! >"$1.new"; mv "$1.new" "$1"; wait; sleep 300'


def long_command(remote):
    return ["sh", "-c", LONG, "sh", f"{remote}/pids"]


def await_pids(link, remote):
    """The processes of `LONG`, when it runs."""
    script = 'for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$1" ] && exec cat "$1"; sleep 1; done'
    pids = link.run(["sh", "-c", script, "sh", f"{remote}/pids"], timeout=60).stdout.decode().split()
    assert len(pids) == 2
    return pids


def have_ended(link, pids):
    """Whether the processes end within ten seconds; one that was only not waited for has ended."""
    script = (
        "ended() { read -r line 2>&- </proc/$1/stat || return 0; set -- ${line##*) }; test $1 = Z; };"
        " for _ in 1 2 3 4 5 6 7 8 9 10; do ended $1 && ended $2 && exit 0; sleep 1; done; exit 1"
    )
    return link.run(["sh", "-c", script, "sh", *pids], timeout=60).exit_code == 0


def test_command_that_missed_its_deadline_has_ended(link, remote):
    with pytest.raises(DeadlineError):
        link.run(long_command(remote), timeout=2)
    assert have_ended(link, await_pids(link, remote))


def test_closed_link_leaves_nothing_running(peer, link, remote):
    failures = []

    def run(other):
        try:
            other.run(long_command(remote), timeout=300)
        except DeviceUnreachable as error:
            failures.append(error)

    with peer.another() as other:
        thread = threading.Thread(target=run, args=(other,))
        thread.start()
        pids = await_pids(link, remote)
        other.close()
        thread.join(30)
    assert len(failures) == 1
    assert have_ended(link, pids)


def run_in_a_process(peer, remote):
    os.setsid()
    with contextlib.suppress(DeviceUnreachable), peer.another() as other:
        other.run(long_command(remote), timeout=300)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_leaves_nothing_running(peer, link, remote, number):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=run_in_a_process, args=(peer, remote))
    process.start()
    pids = await_pids(link, remote)
    os.kill(process.pid, number)
    process.join(30)
    assert process.exitcode is not None
    assert have_ended(link, pids)
