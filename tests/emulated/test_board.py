"""The emulated board: which core it shows, its clock, what it has from the start, its limits."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from peers import children

from edgeq.devices.board.machine import open_board
from edgeq.devices.deploy import deploy_folder, make_run_folder, store_path
from edgeq.devices.probe import identify
from edgeq.devices.profile import BoardSpec, load_profile
from edgeq.errors import DeployError

pytestmark = pytest.mark.emulated

# 2 instructions a turn, nothing else in the loop.
LOOP = r"""
#include <cstdint>
#include <cstdio>
#include <ctime>
static int64_t now() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1'000'000'000 + at.tv_nsec;
}
int main() {
  for (int run = 0; run < 3; ++run) {
    const int64_t start = now();
    uint64_t turns = 50'000'000;
    asm volatile("1: subs %0, %0, #1\n b.ne 1b" : "+r"(turns) : : "cc");
    std::printf("%lld\n", static_cast<long long>(now() - start));
  }
}
"""


def test_board_has_the_core_of_its_profile(board):
    info = identify(board.link, board.profile)
    assert (info.profile, info.kind, info.clock, info.arch) == (
        "virt-pi5",
        "emulated",
        "instructions",
        "aarch64",
    )
    assert info.cpu == "Cortex-A76"
    assert "asimddp" in info.features
    assert info.os.startswith("Debian")


def test_a_board_has_all_that_a_check_asks_for():
    command = [sys.executable, "-m", "edgeq", "device", "check", "virt-pi5"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout
    assert [line for line in answer.stdout.splitlines() if not line.startswith("ok ")] == []


def test_clock_counts_instructions(board, tmp_path):
    (tmp_path / "loop.cpp").write_text(LOOP)
    compiler = ["aarch64-linux-gnu-g++", "-O2", "-static", "-o", tmp_path / "loop", tmp_path / "loop.cpp"]
    subprocess.run(compiler, check=True)
    with make_run_folder(board.link, board.profile.work_folder) as folder:
        board.link.push(tmp_path / "loop", f"{folder}/loop", timeout=120)
        done = board.link.run([f"{folder}/loop"], timeout=120).check("the loop")
    counts = [int(line) for line in done.stdout.split()]
    # The loop's own 100 M, and at most 0.5 % for the kernel's timer ticks.
    assert all(100_000_000 <= count <= 100_500_000 for count in counts)


def test_preloaded_files_are_found_and_not_sent(board):
    sent = []
    folder = deploy_folder(
        board.link, board.profile.work_folder, board.preloaded, lambda *at: sent.append(at)
    )
    assert folder == store_path(board.profile.work_folder, board.preloaded)
    assert sent == []
    assert board.link.run([f"{folder}/tool"], timeout=60).stdout == b"tool ran\n"


def test_full_disk_refuses_a_file_and_keeps_nothing_of_it(board, tmp_path):
    link, full = board.link, "/mnt/full disk"
    script = 'mkdir -p "$1" && mount -t tmpfs -o size=1m none "$1"'
    link.run(["sh", "-c", script, "sh", full], timeout=60).check("mount")
    (tmp_path / "large").write_bytes(bytes(2_000_000))
    with pytest.raises(DeployError, match=r"1\.0\d+ MB are free.* for 2 MB") as caught:
        deploy_folder(link, f"{full}/work", {"large": tmp_path / "large"})
    assert "make room" in caught.value.hint
    assert link.run(["find", full, "-type", "f"], timeout=60).stdout == b""


def test_read_only_folder_refuses_a_file(board, tmp_path):
    script = "mkdir -p /mnt/fixed && mount -t tmpfs -o ro,size=1m none /mnt/fixed"
    board.link.run(["sh", "-c", script], timeout=60).check("mount")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeployError, match="/mnt/fixed/file"):
        board.link.push(tmp_path / "file", "/mnt/fixed/file", timeout=60)
    with pytest.raises(DeployError, match="Read-only"):
        deploy_folder(board.link, "/mnt/fixed/work", {"file": tmp_path / "file"})


def test_work_folder_of_another_user_is_refused(board, tmp_path):
    board.link.run(["sh", "-c", "mkdir /tmp/theirs && chown 1000 /tmp/theirs"], timeout=60).check("chown")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeployError, match="belongs to another user"):
        deploy_folder(board.link, "/tmp/theirs", {"file": tmp_path / "file"})


def test_work_folder_has_a_limited_file_system_of_its_own(board):
    told = board.link.run(["df", "-Pk", "/var/tmp"], timeout=60).check("df").stdout.decode().split("\n")[1]
    assert told.split()[-1] == "/var/tmp"
    assert 100_000 < int(told.split()[1]) < 400_000


def test_board_reaches_nothing_but_us(board):
    answers = board.link.run(["nc", "-w", "3", "10.0.2.2", "22"], timeout=60)
    assert answers.exit_code != 0


def test_other_core_boots_beside_it_from_a_thread_that_ends(board):
    """The machine belongs to its `with` block, not to the thread that entered it."""
    running = children(os.getpid())
    machine = open_board(load_profile("virt-pi4").link)
    with ThreadPoolExecutor(1) as pool:
        link = pool.submit(machine.__enter__).result()
    try:
        profile = load_profile("virt-pi4")
        assert identify(link, profile).cpu == "Cortex-A72"
        assert "asimddp" not in identify(link, profile).features
        assert board.link.run(["true"], timeout=60).exit_code == 0
    finally:
        machine.__exit__(None, None, None)
    assert children(os.getpid()) == running


def test_memory_is_what_the_profile_says(board):
    assert isinstance(board.profile.link, BoardSpec)
    told = board.link.run(["cat", "/proc/meminfo"], timeout=60).stdout.decode()
    total = int(told.split()[1]) * 1024
    assert 0.9 * board.profile.link.memory_mib < total / 2**20 < board.profile.link.memory_mib
