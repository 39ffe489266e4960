"""What the native tests share: small real programs, the runner built for this host, and how to start it."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from edgeq.cache import cached, file_sha256, key_of
from edgeq.runner.build import build_runner, host_arch

MAKE = Path(__file__).with_name("make_programs.py")

# An error of the sanitizers must not look like one that the runner reports (exit code 1). Sizes come from
# damaged files, so an allocation that fails is a case to report.
SANITIZERS = {"ASAN_OPTIONS": "exitcode=99:allocator_may_return_null=1", "UBSAN_OPTIONS": "exitcode=99"}


class Runner:
    """Starts a runner on jobs in a folder of its own."""

    def __init__(self, program: Path, programs: Path, folder: Path):
        self.program, self.programs, self.folder = program, programs, folder

    def start(self, *arguments, **options):
        environment = {**os.environ, **SANITIZERS}
        command = [str(self.program), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, check=False, **options
        )

    def job(self, name, **changes):
        job = {
            "schema": 1,
            "pass": "latency",
            "program": str(self.programs / f"{name}.pte"),
            "inputs": str(self.programs / f"{name}.inputs.safetensors"),
            "deadline": 60,
        }
        return {key: value for key, value in {**job, **changes}.items() if value is not ...}

    def run(self, job, **options):
        """The finished process and the result document, None when there is none."""
        (self.folder / "job.json").write_text(json.dumps(job))
        result = self.folder / "result.json"
        result.unlink(missing_ok=True)
        done = self.start(self.folder / "job.json", result, **options)
        return done, json.loads(result.read_bytes()) if result.exists() else None

    def failure(self, job, **options):
        """The error of a job that must fail properly."""
        done, result = self.run(job, **options)
        assert done.returncode == 1, done
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert result["status"] == "failed"
        assert not list(self.folder.glob("*.part"))
        return result["error"]


@pytest.fixture(scope="session")
def executorch_version():
    pytest.importorskip("executorch", reason="lowering the test programs needs the extra `export`")
    return version("executorch")


@pytest.fixture(scope="session")
def programs(executorch_version):
    """Folder of what make_programs.py writes; lowered once and kept."""

    def make(folder):
        done = subprocess.run(
            [sys.executable, str(MAKE), str(folder)], capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]

    key = key_of({"script": file_sha256(MAKE), "executorch": executorch_version, "torch": version("torch")})
    return cached("test-programs", key, make)[0]


@pytest.fixture(scope="session")
def bundle(executorch_version):
    return build_runner(executorch_version, host_arch())


@pytest.fixture(scope="session")
def sanitized_bundle(executorch_version):
    return build_runner(executorch_version, host_arch(), sanitize=True)


@pytest.fixture
def runner(bundle, programs, tmp_path):
    return Runner(bundle.runner, programs, tmp_path)


@pytest.fixture
def sanitized(sanitized_bundle, programs, tmp_path):
    return Runner(sanitized_bundle.runner, programs, tmp_path)
