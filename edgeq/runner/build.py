"""Builds the native runner for one ExecuTorch release and one architecture, and keeps it by content.

The bundle is the folder that goes to the device: the program `edgeq-runner` and the libraries in `lib/` that
it finds through its own run path.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgeq.cache import cache_root, cached, file_sha256, key_of, write_atomic
from edgeq.devices.profile import host_arch
from edgeq.errors import BuildError, HostError
from edgeq.results.records import Record
from edgeq.runner.sdk import ARCHITECTURES, RUNTIME_LIBRARIES, fetch_sdk, public_version

SOURCES = Path(__file__).parent / "native"
RUNNER = "edgeq-runner"
_FACTS = "bundle.json"
_LOG_LINES = 15
_BUILD_SECONDS = 1800


class RunnerBundle(Record, frozen=True, kw_only=True):
    """A runner that is ready to be copied to a device, `libraries` into `lib/` beside `runner`.

    Attributes:
        executorch: release of ExecuTorch that it was built against.
        arch: `aarch64` or `x86_64`.
        glibc: oldest C library that the bundle loads on, e.g. `2.28`.
        key: hash of everything that it was made from.
    """

    executorch: str
    arch: str
    glibc: str
    runner: Path
    libraries: tuple[Path, ...]
    key: str


def build_runner(
    executorch: str,
    arch: str,
    *,
    sanitize: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> RunnerBundle:
    """Build the runner, or find it in the cache.

    Args:
        executorch: version that exported the program, e.g. `1.5.1`.
        arch: `aarch64` or `x86_64`; the one that is not this machine's is cross-compiled.
        sanitize: address and undefined-behaviour sanitizers, for tests on this machine.
        announce: told each long step before it begins.

    Raises:
        HostError: a tool, a package or the network is missing; the hint says what to install.
        BuildError: the compiler refused; the message holds its last lines and names the kept log.
    """
    executorch = public_version(executorch)
    compiler = find_compiler(arch)
    options = _cmake_options(executorch, arch, compiler, sanitize)
    facts = {
        "sources": hash_runner(),
        "executorch": executorch,
        "arch": arch,
        "compiler": _identify(compiler),
        "options": options,
        "libraries": RUNTIME_LIBRARIES,
    }
    key = key_of(facts)

    def make(folder: Path) -> None:
        tools = _find_tool("cmake"), _find_tool("ninja")
        sdk = fetch_sdk(executorch, arch, announce=announce)
        announce(f"building the runner for {arch}")
        _compile(folder, sdk, tools, options, cache_root() / "logs" / f"runner-{key[:12]}.log")

    folder, _ = cached("runner", key, make)
    return RunnerBundle(
        executorch=executorch,
        arch=arch,
        glibc=json.loads((folder / _FACTS).read_text())["glibc"],
        runner=folder / RUNNER,
        libraries=tuple(folder / "lib" / name for name in RUNTIME_LIBRARIES),
        key=key,
    )


def hash_runner() -> dict[str, str]:
    """SHA-256 of each source file of the runner, by name."""
    return {path.name: file_sha256(path) for path in sorted(SOURCES.iterdir()) if path.is_file()}


def _compile(folder: Path, sdk: Path, tools: tuple[str, str], options: list[str], log: Path) -> None:
    cmake, ninja = tools
    with tempfile.TemporaryDirectory(prefix="edgeq-build-") as scratch:
        build = Path(scratch) / "build"
        configure = [cmake, "-G", "Ninja", "-S", str(SOURCES), "-B", str(build)]
        configure += [f"-DCMAKE_MAKE_PROGRAM={ninja}", f"-DCMAKE_PREFIX_PATH={sdk}", *options]
        _run([configure, [cmake, "--build", str(build)]], log)
        _fill(folder, build / RUNNER, sdk / "lib")


def _fill(folder: Path, runner: Path, libraries: Path) -> None:
    (folder / "lib").mkdir()
    shutil.copy2(runner, folder / RUNNER)
    for name in RUNTIME_LIBRARIES:
        shutil.copy2(libraries / name, folder / "lib" / name)
    files = [folder / RUNNER, *(folder / "lib").iterdir()]
    (folder / _FACTS).write_text(json.dumps({"glibc": _glibc_floor(files)}))


def _cmake_options(executorch: str, arch: str, compiler: str, sanitize: bool) -> list[str]:
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        f"-DEDGEQ_EXECUTORCH_VERSION={executorch}",
        f"-DEDGEQ_SANITIZE={'ON' if sanitize else 'OFF'}",
    ]
    if arch != host_arch():
        options += [
            "-DCMAKE_SYSTEM_NAME=Linux",
            f"-DCMAKE_SYSTEM_PROCESSOR={arch}",
            # The SDK is no part of the cross compiler's own root.
            "-DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=BOTH",
        ]
    return options


def find_compiler(arch: str) -> str:
    """The C++ compiler for `arch`.

    Raises:
        HostError: there is none; the hint says what to install.
    """
    if arch not in ARCHITECTURES:
        raise HostError(
            f"there is no runner for {arch}", hint=f"the architectures are {', '.join(ARCHITECTURES)}"
        )
    name = "g++" if arch == host_arch() else f"{arch}-linux-gnu-g++"
    package = "g++" if arch == host_arch() else f"g++-{arch.replace('_', '-')}-linux-gnu"
    if found := shutil.which(name):
        return found
    raise HostError(
        f"{name} is not installed; the runner for {arch} needs it", hint=f"run `apt-get install {package}`"
    )


def _identify(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise HostError(f"{compiler} --version failed: {done.stderr.strip()}", hint="install it again")
    return done.stdout.splitlines()[0]


def _find_tool(name: str) -> str:
    """Find CMake or Ninja in this interpreter's folder (where pip puts them), else on PATH."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    if found := beside or shutil.which(name):
        return found
    raise HostError(
        f"{name} is not installed; building the runner needs it", hint="run `pip install 'edgeq[build]'`"
    )


def _run(commands: list[list[str]], log: Path) -> None:
    # The user's compiler flags belong to other projects, and would not be in the cache's key.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name
        not in ("CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CPATH", "CPLUS_INCLUDE_PATH", "CMAKE_TOOLCHAIN_FILE")
    }
    output = ""
    for command in commands:
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
                timeout=_BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"{command[0]} did not finish in {_BUILD_SECONDS} s") from error
        output += f"$ {' '.join(command)}\n{done.stdout}"
        if done.returncode != 0:
            write_atomic(log, output.encode())
            raise _build_error(done.stdout, log)


def _build_error(output: str, log: Path) -> HostError | BuildError:
    if "NLOHMANN_PARENT" in output:
        return HostError(
            "the header nlohmann/json.hpp is missing", hint="run `apt-get install nlohmann-json3-dev`"
        )
    if found := re.search(r"CMake (3\.\d+) or higher is required\. +You are running version (\S+)", output):
        return HostError(
            f"CMake {found[2]} is too old; the runner needs {found[1]}",
            hint="run `pip install 'edgeq[build]'`",
        )
    tail = "\n".join([line for line in output.splitlines() if line.strip()][-_LOG_LINES:])
    return BuildError(f"the runner does not build:\n{tail}", hint=f"the whole output is in {log}")


def _glibc_floor(files: list[Path]) -> str:
    """The highest version of the C library that any of `files` asks for."""
    command = ["readelf", "--version-info", "--wide", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    versions = {
        tuple(map(int, found.split("."))) for found in re.findall(r"Name: GLIBC_(2\.\d+)", done.stdout)
    }
    if done.returncode != 0 or not versions:
        raise BuildError(f"readelf cannot read the runner: {done.stderr.strip()[:300]}")
    return ".".join(map(str, max(versions)))
