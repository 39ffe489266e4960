"""The Android runner's plain classes and their JUnit tests, compiled for this machine's Java."""

import subprocess
from pathlib import Path

from edgeq.package.javac import FLAGS

ROOT = Path(__file__).parents[1]
RUNNER = ROOT / "android_runner" / "runner"
MAIN = RUNNER / "src/main/java/edgeq/runner"
TESTS = RUNNER / "src/test/java/edgeq/runner"
JUNIT = "/usr/share/java/junit4.jar:/usr/share/java/hamcrest.jar"


def compile_java(target: Path, sources: list[Path], classpath: str = "") -> None:
    """Compile `sources` into the folder `target`; a warning is an error."""
    target.mkdir(parents=True, exist_ok=True)
    command = ["javac", *FLAGS, "-cp", classpath or ".", "-d", str(target), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run_java(classpath: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a class of `classpath`; its name comes first."""
    command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classpath, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
