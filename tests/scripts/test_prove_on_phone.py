"""scripts/prove-on-phone, run with stand-ins for edgeq, adb and the phone's own commands."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "prove-on-phone"
# A phone's shell, which runs what it is told as adb's does.
ADB = """printf '%s\\n' "$*" >>"$CALLS"
while [ "$1" != shell ]; do shift; done
shift
exec sh -c "$*"
"""


class Bench:
    """A checkout of the script alone, with stand-ins that note how adb was called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, folder / "calls"
        (folder / "scripts").mkdir()
        shutil.copy(SCRIPT, folder / "scripts")
        bin_folder = folder / ".venv" / "bin"
        bin_folder.mkdir(parents=True)
        self._write(folder / "scripts" / "setup", "")
        for name, text in (("edgeq", ""), ("adb", ADB), ("getprop", 'echo "$SUSPENDED"'), ("dumpsys", "")):
            self._write(bin_folder / name, text)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, *arguments: str, suspended: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "scripts" / "prove-on-phone", *arguments, "--out", self.folder / "out"],
            env={**os.environ, "CALLS": str(self.calls), "SUSPENDED": suspended},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_every_line_asks_the_phone_that_was_named(bench: Bench) -> None:
    done = bench.run("--run", "--device", "my-phone", "--serial", "8A1X")
    assert done.returncode == 0, done.stdout
    calls = bench.calls.read_text().splitlines()
    assert len(calls) == 5
    assert [call for call in calls if not call.startswith("-s 8A1X shell ")] == []
    assert "   adb -s 8A1X shell dumpsys battery\n" in bench.run("--device", "x", "--serial", "8A1X").stdout


def test_the_only_phone_needs_no_serial(bench: Bench) -> None:
    assert bench.run("--run").returncode == 0
    assert all(call.startswith("shell ") for call in bench.calls.read_text().splitlines())


def test_a_phone_of_a_profile_of_its_own_must_be_named_to_adb_too(bench: Bench) -> None:
    done = bench.run("--run", "--device", "my-phone")
    assert done.returncode == 2
    assert "--serial" in done.stderr
    assert not bench.calls.exists()


@pytest.mark.parametrize(("suspended", "code"), [("", 0), ("false", 0), ("true", 1)])
def test_a_phone_whose_charging_stays_suspended_fails(bench: Bench, suspended: str, code: int) -> None:
    done = bench.run("--run", suspended=suspended)
    assert done.returncode == code, done.stdout
    assert f"\n{code} of 9 failed" in done.stdout
