"""The supervisor of commands under every shell that devices have, as far as this machine has them."""

import shutil
import signal
import subprocess
import time

import pytest
from awkward import AWKWARD
from peers import await_end, is_alive

from edgeq.devices.supervision import supervised

SHELLS = {
    "dash": ["dash"],
    "bash": ["bash"],
    "bash --posix": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
    "mksh": ["mksh"],
}


@pytest.fixture(params=SHELLS)
def shell(request):
    if shutil.which(SHELLS[request.param][0]) is None:
        pytest.skip(f"this machine has no {request.param}")
    return SHELLS[request.param]


def start(shell, *argv, **environment):
    return subprocess.Popen(
        [*shell, *supervised(argv, environment)[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process):
    """Exit code, stdout and stderr, with the input held open until it ends by itself."""
    output, errors = process.stdout.read(), process.stderr.read()
    code = process.wait(10)
    process.stdin.close()
    return code, output, errors


def run(shell, *argv, **environment):
    with start(shell, *argv, **environment) as process:
        return finish(process)


def pids(process, count):
    """The numbers that it writes first, and the process that keeps writing to nobody."""
    return [int(process.stdout.readline()) for _ in range(count)]


def test_arguments_arrive_as_they_were(shell):
    script = 'for each; do printf "%s\\0" "$each"; done'
    assert run(shell, "sh", "-c", script, "sh", *AWKWARD) == (
        0,
        "".join(f"{each}\0" for each in AWKWARD).encode(),
        b"",
    )


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_is_passed_on(shell, code):
    assert run(shell, "sh", "-c", f"exit {code}")[0] == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGILL, signal.SIGTERM])
def test_signal_becomes_128_and_its_number_and_no_word_is_added(shell, number):
    assert run(shell, "sh", "-c", f"kill -{int(number)} $$") == (128 + number, b"", b"")


def test_program_that_is_missing_gives_127(shell):
    code, output, errors = run(shell, "no-such-program", "x")
    assert (code, output) == (127, b"")
    assert b"no-such-program" in errors


def test_file_that_is_no_program_gives_126(shell, tmp_path):
    (tmp_path / "file").write_text("data")
    code, _, errors = run(shell, str(tmp_path / "file"))
    assert code == 126
    assert b"file" in errors


def test_input_is_empty_and_streams_stay_apart(shell):
    assert run(shell, "sh", "-c", "cat; echo out; echo err >&2") == (0, b"out\n", b"err\n")


def test_environment_is_for_the_command_only(shell, tmp_path):
    value = 'it\'s $HOME `id`\nand "more" = Größe'
    code, output, _ = run(shell, "sh", "-c", 'printf %s "$NEW"', NEW=value)
    assert (code, output.decode()) == (0, value)
    odd = tmp_path / "a=b"
    odd.write_text('#!/bin/sh\nprintf %s "$NEW$1"')
    odd.chmod(0o755)
    assert run(shell, str(odd), " there", NEW="in")[:2] == (0, b"in there")
    # Were it set for the supervisor too, it would find no setsid, env or sleep.
    script = "echo $$; read -r line </proc/$$/stat; set -- $line; echo $5"
    code, output, _ = run(shell, "/bin/sh", "-c", script, PATH="/nowhere")
    leader, group = output.split()
    assert leader == group


@pytest.mark.parametrize("name", ["", "A B", "1A", "A=B", "A\n", "$(id)"])
def test_name_that_is_no_variables_is_refused(name):
    with pytest.raises(ValueError, match="environment variable"):
        supervised(["true"], {name: "x"})


def test_end_of_input_ends_the_command_and_all_that_it_started(shell):
    script = "sh -c 'sleep 300' & echo $!; sh -c 'sleep 300' & echo $!; echo $$; wait"
    with start(shell, "sh", "-c", script) as process:
        started = pids(process, 3)
        assert all(map(is_alive, started))
        began = time.monotonic()
        process.stdin.close()
        assert process.wait(10) == 128 + signal.SIGTERM
        assert time.monotonic() - began < 0.9
        assert all(map(await_end, started))


def test_command_that_ignores_sigterm_is_killed(shell):
    with start(
        shell, "sh", "-c", "trap '' TERM HUP; sleep 300 & echo $!; echo $$; wait; sleep 300"
    ) as process:
        started = pids(process, 2)
        process.stdin.close()
        assert process.wait(10) == 128 + signal.SIGKILL
        assert all(map(await_end, started))


def test_command_may_end_in_its_own_way_at_sigterm(shell):
    script = "trap 'echo tidy; exit 7' TERM; echo $$; while :; do sleep 0.05; done"
    with start(shell, "sh", "-c", script) as process:
        pids(process, 1)
        process.stdin.close()
        assert process.stdout.read() == b"tidy\n"
        assert process.wait(10) == 7


def test_what_a_command_leaves_running_ends_with_it(shell):
    with start(shell, "sh", "-c", "sleep 300 & echo $!") as process:
        (left,) = pids(process, 1)
        assert finish(process) == (0, b"", b"")
        assert await_end(left)


def test_command_whose_input_ended_before_it_began_ends_at_once(shell):
    for _ in range(5):
        process = start(shell, "sleep", "300")
        process.stdin.close()
        with process:
            assert process.wait(10) == 128 + signal.SIGTERM or process.returncode == 128 + signal.SIGKILL


def test_nothing_of_the_supervisor_stays(shell):
    with start(shell, "sh", "-c", "exit 3") as process:
        assert finish(process)[0] == 3
    # Its session is its pid: a killed watcher's child might still be there for a moment, no longer.
    listed = subprocess.run(
        ["ps", "-o", "pid=", "-s", str(process.pid)], capture_output=True, text=True
    ).stdout
    assert all(await_end(int(pid)) for pid in listed.split())


def test_a_machine_without_setsid_ends_the_command_at_least(shell, tmp_path):
    for tool in ("sleep", "sh", "kill"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    argv = supervised(["sh", "-c", "echo $$; exec sleep 300"], {})
    if "busybox" in shell:
        pytest.skip("busybox brings its own setsid, whatever the path says")
    with subprocess.Popen(
        [shutil.which(shell[0]), *shell[1:], *argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": str(tmp_path)},
    ) as process:
        (pid,) = pids(process, 1)
        process.stdin.close()
        assert process.wait(10) == 128 + signal.SIGTERM
        assert await_end(pid)
