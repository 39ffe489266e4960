"""Files over SSH that break on the way: nothing half is left, and what is whole is not sent again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from peers import children, run_sshd

from edgeq.devices.deploy import deploy_folder
from edgeq.devices.ssh.link import SshLink
from edgeq.errors import DeployError, DeviceError, DeviceUnreachable


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    with run_sshd(tmp_path / "server") as running:
        yield running


@pytest.fixture
def there(tmp_path):
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


@pytest.fixture
def large(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(os.urandom(1 << 20) * 64)
    return file


def await_empty(folder, seconds=10.0):
    until = time.monotonic() + seconds
    while any(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(folder.iterdir())


def cut(server):
    """End the connections, as a network does: the commands on the device see the end of their input."""
    pids = children(server.process.pid)
    while pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = pids.pop()
            if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                pids += children(pid)
                os.kill(pid, signal.SIGKILL)


def python(server, body, *arguments):
    """Another process with a `link` to the server."""
    script = (
        "import sys\nfrom pathlib import Path, PosixPath\nfrom edgeq.devices.ssh.link import SshLink\n"
        f"from edgeq.devices.ssh.target import SshTarget\nlink = SshLink({server.target!r})\n{body}\n"
    )
    return [sys.executable, "-c", script, *map(str, arguments)]


def test_push_of_a_killed_edgeq_leaves_nothing_on_the_device(server, there, large):
    body = (
        "def stop(done, total):\n"
        "    if done > total / 2:\n        print('half', flush=True)\n        sys.stdin.read()\n"
        "link.push(Path(sys.argv[1]), sys.argv[2], timeout=60, progress=stop)"
    )
    command = python(server, body, large, f"{there}/file")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout.readline() == b"half\n"
        assert [path.name.startswith(".file.") for path in there.iterdir()] == [True]
        killed.send_signal(signal.SIGKILL)
    assert await_empty(there)


def test_push_whose_link_breaks_leaves_nothing_on_the_device(server, there, large):
    def break_it(done, total):
        if done > total / 2:
            cut(server)

    with SshLink(server.target) as link, pytest.raises(DeviceUnreachable, match="pushing large"):
        link.push(large, f"{there}/file", timeout=60, progress=break_it)
    assert await_empty(there)


def test_pull_whose_link_breaks_leaves_nothing_here(server, there, large):
    def break_it(done, total):
        if done > total / 2:
            cut(server)

    with SshLink(server.target) as link, pytest.raises(DeviceUnreachable, match="pulling"):
        link.pull(str(large), there / "file", timeout=60, progress=break_it)
    assert not any(there.iterdir())


def test_file_that_changes_while_it_is_sent_gets_no_name(server, there, large):
    def change(done, total):
        if done < total / 4:
            with large.open("r+b") as file:
                file.seek(-5, os.SEEK_END)
                file.write(b"other")

    with SshLink(server.target) as link:
        with pytest.raises(DeployError, match="differs"):
            link.push(large, f"{there}/file", timeout=60, progress=change)
        assert not any(there.iterdir())
        link.push(large, f"{there}/file", timeout=60)
    assert (there / "file").read_bytes() == large.read_bytes()


def test_file_that_shrinks_while_it_comes_gets_no_name(server, there, large):
    def change(done, total):
        if done < total:
            os.truncate(large, 1000)

    with SshLink(server.target) as link, pytest.raises(DeviceError, match="differs"):
        link.pull(str(large), there / "file", timeout=60, progress=change)
    assert not any(there.iterdir())


def test_interrupted_set_goes_on_with_the_files_that_are_whole(server, tmp_path, there, large):
    files = {}
    for number in range(3):
        files[f"part{number}"] = tmp_path / f"part{number}"
        files[f"part{number}"].write_bytes(os.urandom(4_000_000))

    def interrupt(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with SshLink(server.target) as link:
        with pytest.raises(KeyboardInterrupt):
            deploy_folder(link, f"{there}/work", files, interrupt)
        store = next((there / "work/store").iterdir())
        assert [path.name for path in store.iterdir()] == ["part0"]
        sent = []
        deploy_folder(link, f"{there}/work", files, lambda *at: sent.append(at))
        assert sent[-1] == (8_000_000, 8_000_000)
    assert {path.name: path.read_bytes() for path in store.iterdir()} == {
        name: path.read_bytes() for name, path in files.items()
    }


@pytest.mark.parametrize("name", ["a b", "it's", "two\nlines", "$(id)", "-n", "Größe", "*"])
def test_files_may_have_any_name(server, tmp_path, there, name):
    (tmp_path / name).write_text("content")
    with SshLink(server.target) as link:
        link.push(tmp_path / name, f"{there}/{name}", timeout=60)
        link.pull(f"{there}/{name}", tmp_path / "back", timeout=60)
    assert [path.name for path in there.iterdir()] == [name]
    assert (tmp_path / "back").read_text() == "content"


def test_folder_is_pulled_by_nobody(server, tmp_path, there):
    with SshLink(server.target) as link, pytest.raises(DeviceError, match="Is a directory"):
        link.pull(str(there), tmp_path / "back", timeout=60)
    assert not (tmp_path / "back").exists()


def test_memory_does_not_grow_with_the_file(server, tmp_path, there):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(200_000_000)
    body = (
        "import resource\nlink.run(['true'], timeout=60)\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = most()\n"
        "link.push(Path(sys.argv[1]), sys.argv[2], timeout=300)\n"
        "link.pull(sys.argv[2], Path(sys.argv[3]), timeout=300)\nprint(most() - before)"
    )
    command = python(server, body, tmp_path / "sparse", there / "file", tmp_path / "back")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000  # kB: a few times what may be under way
