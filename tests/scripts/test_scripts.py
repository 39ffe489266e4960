"""The set-up script, run for real with pip, venv and dpkg, on a checkout so small that no network is needed.

The small checkout has a torch of its own: an empty wheel in a folder that serves as the index.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import empty_wheel
import pytest
from empty_wheel import write_wheel

ROOT = Path(__file__).parents[2]
SCRIPTS = [*sorted((ROOT / "scripts").iterdir()), ROOT / ".ci" / "run"]

PYPROJECT = """
[build-system]
requires = []
build-backend = "wheels"
backend-path = ["."]

[project]
name = "edgeq"
version = "1"
# export = ["torch==2.13.0"]
"""

# A build backend without dependencies, so that pip needs no index to build the small checkout.
BACKEND = """
from empty_wheel import write_wheel

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, "edgeq", "1", extras=["export", "build", "dev"])

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise SystemExit("not editable")
"""


def make_checkout(folder: Path) -> Path:
    """A checkout with the real scripts around an empty package."""
    root = folder / "a checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "wheels.py").write_text(BACKEND)
    shutil.copy(empty_wheel.__file__, root)
    return root


def make_index(folder: Path, *, gpu: bool = False) -> str:
    """A folder that pip takes as an index, with a torch that needs nothing, or GPU libraries; its address."""
    (folder / "torch").mkdir(parents=True)
    write_wheel(folder / "torch", "torch", "2.13.0", requires=("nvidia-cublas",) if gpu else ())
    (folder / "nvidia-cublas").mkdir()
    write_wheel(folder / "nvidia-cublas", "nvidia_cublas", "13.1")
    return folder.as_uri()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def set_up(checkout: Path, purpose: str = "demo", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up with pip cut off from everything but what `env` names."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "EDGEQ_"))}
    clean |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "file:///nowhere", "PIP_RETRIES": "0"}
    clean |= {"EDGEQ_PYTHON": sys.executable, "TMPDIR": str(checkout.parent)} | env
    command = [checkout / "scripts" / "setup", purpose]
    return subprocess.run(
        command, capture_output=True, text=True, env=clean, cwd="/", timeout=120, check=False
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("setup: ")
    for word in words:
        assert word in done.stderr


def fake_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def first_in_path(folder: Path) -> Mapping[str, str]:
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def lacks_packages() -> bool:
    """Whether the set-up would install Debian packages, which a test must not."""
    needs = [line.split()[0].strip('"') for line in _package_lines()]
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *needs]
    if shutil.which("dpkg-query") is None:
        return True
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return not all(f"installed {name}\n" in said for name in needs)


def _package_lines() -> list[str]:
    text = (ROOT / "scripts" / "setup").read_text()
    return text.split("readonly packages=(\n")[1].split("\n)")[0].splitlines()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_executable_and_parses(script: Path) -> None:
    assert os.access(script, os.X_OK)
    shell = script.read_text().splitlines()[0].split("/")[-1].split()[-1]
    subprocess.run([shell, "-n", script], check=True)


def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that is set up. Tests may leave it changed, but set up."""
    if lacks_packages():
        pytest.skip("the Debian packages are not installed: scripts/setup")
    folder = tmp_path_factory.mktemp("ready")
    checkout = make_checkout(folder)
    done = set_up(checkout, EDGEQ_TORCH_INDEX=make_index(folder / "index"))
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stdout
    assert "ready after" in done.stdout
    return checkout


def test_the_set_up_installs_torch_and_edgeq(ready: Path) -> None:
    freeze = [ready / ".venv" / "bin" / "python", "-m", "pip", "freeze", "--all"]
    installed = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
    assert "torch==2.13.0" in installed
    assert "edgeq" in installed
    assert list(ready.parent.glob("edgeq-*")) == []


def test_the_second_run_does_nothing_and_needs_no_network(ready: Path) -> None:
    start = time.monotonic()
    done = set_up(ready)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # 0.2 s on an idle machine; the tests' machine is not idle.
    assert time.monotonic() - start < 3


def test_a_changed_pyproject_is_installed_into_the_same_environment(ready: Path) -> None:
    (ready / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
    done = set_up(ready)
    assert done.returncode == 0, done.stderr
    assert "ready after" in done.stdout
    assert "making .venv" not in done.stdout


def test_a_moved_checkout_gets_a_new_environment(ready: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(ready, moved, symlinks=True, ignore=shutil.ignore_patterns("lib"))
    done = set_up(moved, EDGEQ_TORCH_INDEX=make_index(tmp_path / "index"))
    assert done.returncode == 0, done.stderr
    assert "making .venv" in done.stdout
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose environment holds nothing yet: its set-up found no torch."""
    folder = tmp_path_factory.mktemp("empty")
    checkout = make_checkout(folder)
    (folder / "index").mkdir()
    done = set_up(checkout, EDGEQ_TORCH_INDEX=(folder / "index").as_uri())
    assert_refused(done, "torch==2.13.0", "No matching distribution", "check the network", "log: ")
    return checkout


def test_a_torch_that_brings_gpu_libraries_is_refused_with_the_way_to_the_cpu_build(
    empty: Path, tmp_path: Path
) -> None:
    done = set_up(empty, EDGEQ_TORCH_INDEX=make_index(tmp_path / "index", gpu=True))
    assert_refused(done, "GPU build of torch", "several GB", "EDGEQ_TORCH_INDEX", "EDGEQ_TORCH=any")
    assert not list(empty.glob(".venv/lib/*/site-packages/torch"))


def test_a_failing_package_installation_is_one_line_with_apts_reason(empty: Path, tmp_path: Path) -> None:
    fake_program(tmp_path / "bin", "dpkg-query", "exit 1")
    fake_program(tmp_path / "bin", "sudo", 'exec "$@"')
    fake_program(empty / "scripts", "install-packages", 'echo "E: Unable to locate package $1"; exit 100')
    done = set_up(empty, EDGEQ_TORCH_INDEX=make_index(tmp_path / "index"), **first_in_path(tmp_path / "bin"))
    assert_refused(done, "E: Unable to locate package", "as root: apt-get install")


def test_an_old_interpreter_is_refused(checkout: Path, tmp_path: Path) -> None:
    old = fake_program(tmp_path / "bin", "python", "echo 3.9.2 /usr/bin/python3.9")
    assert_refused(set_up(checkout, EDGEQ_PYTHON=str(old)), "is Python 3.9.2", "3.11 or newer")
    assert not (checkout / ".venv").exists()


def test_a_missing_interpreter_is_refused(checkout: Path) -> None:
    assert_refused(
        set_up(checkout, EDGEQ_PYTHON="/no/python"), "EDGEQ_PYTHON=/no/python does not run", "3.11"
    )


def test_too_small_a_disk_is_refused_before_anything_is_made(checkout: Path, tmp_path: Path) -> None:
    fake_program(tmp_path / "bin", "df", "echo Filesystem; echo /dev/x 9000000 8000000 1000000 89% /")
    done = set_up(checkout, **first_in_path(tmp_path / "bin"))
    assert_refused(done, "1000 MB free", "2500 MB", "make room")
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("purpose", "env", "words"),
    [
        ("production", {}, ("'production'", "demo or test")),
        ("demo", {"EDGEQ_TORCH": "cuda"}, ("EDGEQ_TORCH=cuda", "cpu or any")),
    ],
)
def test_an_unknown_word_is_refused_with_the_known_ones(
    checkout: Path, purpose: str, env: dict[str, str], words: tuple[str, ...]
) -> None:
    assert_refused(set_up(checkout, purpose, **env), *words)


def test_the_demo_takes_both_workloads_to_both_boards_and_gives_its_exit_code(checkout: Path) -> None:
    fake_program(checkout / "scripts", "setup", "exit 0")
    (checkout / ".venv").mkdir()
    fake_program(checkout / ".venv" / "bin", "edgeq", 'echo "$PWD: $*"; exit 6')
    done = subprocess.run(
        [checkout / "scripts" / "demo"], capture_output=True, text=True, cwd="/", check=False
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(f"{checkout}: ")]
    options = "--recipe fp32 --recipe int8 --device virt-pi5 --device virt-pi4 --out out"
    assert said == [f"{checkout}: run digits examples/mobilenet_v2.py {options}"]
    assert done.returncode == 6
    assert "done in" not in done.stdout
