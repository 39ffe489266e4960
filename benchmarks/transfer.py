"""How fast files go over SSH, against OpenSSH's own `sftp`: same server, same file, turn by turn in one run.

The server is Debian's openssh-server on the loopback interface, so this is what the two programs themselves
cost. Every time begins with connecting. edgeq's times include its hashing on both sides, which `sftp` does
not do; what that takes is stated apart. So is the most that our memory grew by, which must not be the file's
size.
"""

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from facts import print_table

from edgeq.cache import file_sha256
from edgeq.devices.ssh.link import SshLink
from edgeq.devices.ssh.target import SshTarget
from edgeq.units import format_quantity

ROOT = Path(__file__).parents[1]
# What issue 3 asks for: edgeq's speed as a part of sftp's.
WANTED = 0.7


def main() -> None:
    """Measure and print; exit 1 when a direction is slower than wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from peers import run_sshd

    with tempfile.TemporaryDirectory() as folder, run_sshd(Path(folder)) as server:
        rows, slow = measure(server.target, Path(folder), asked.megabytes * 1_000_000, asked.rounds)
    print_table("Files over SSH", rows)
    if slow:
        sys.exit(1)


def measure(target: SshTarget, folder: Path, size: int, rounds: int) -> tuple[list[tuple[str, str]], bool]:
    """The table's rows, and whether either direction was slower than wanted."""
    file, there, back = folder / "file", folder / "there", folder / "back"
    with file.open("wb") as written:
        for _ in range(size // 1_000_000):
            written.write(os.urandom(1_000_000))

    def push() -> None:
        with SshLink(target) as link:
            link.push(file, str(there), timeout=600)

    def pull() -> None:
        with SshLink(target) as link:
            link.pull(str(there), back, timeout=600)

    with SshLink(target) as link:
        link.run(["true"], timeout=60)  # what connecting needs is no memory of a transfer
    before = _most_memory()
    push()
    pull()
    grown = _most_memory() - before
    assert file_sha256(back) == file_sha256(file)
    rows = [
        ("file", format_quantity(size, "B")),
        ("most that our memory grew by", format_quantity(grown, "B")),
    ]
    slow = False
    for name, ours, batch in (
        ("push", push, f"put {file} {there}"),
        ("pull", pull, f"get {there} {back}"),
    ):
        theirs = functools.partial(sftp, target, batch)
        times = [(seconds_of(theirs), seconds_of(ours)) for _ in range(rounds)]
        theirs_s, ours_s = (median(column) for column in zip(*times, strict=True))
        ratio = median(each / own for each, own in times)
        slow = slow or ratio < WANTED
        rows += [
            (f"sftp, {name}", f"{format_quantity(theirs_s, 's')}, {format_quantity(size / theirs_s, 'B')}/s"),
            (f"edgeq, {name}", f"{format_quantity(ours_s, 's')}, {format_quantity(size / ours_s, 'B')}/s"),
            (f"edgeq's speed in sftp's, {name}", f"{ratio:.2f} (median of {rounds}; {WANTED} wanted)"),
        ]
    hashing = median(seconds_of(lambda: file_sha256(file)) for _ in range(3))
    rows.append(("hashing the file once (edgeq does it on both sides)", format_quantity(hashing, "s")))
    return rows, slow


def sftp(target: SshTarget, batch: str) -> None:
    """One command of OpenSSH's client."""
    options = [f"-oUserKnownHostsFile={target.known_hosts}", "-oIdentitiesOnly=yes", "-P", str(target.port)]
    command = ["sftp", "-q", "-F", "none", "-i", str(target.key), *options, "-b", "-", target.host]
    subprocess.run(command, input=batch.encode(), capture_output=True, check=True)


def seconds_of(do: Callable[[], object]) -> float:
    """How long it takes on the wall clock."""
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _most_memory() -> int:
    """Most memory that this process has had at once, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
