"""The C and C++ libraries that the runner brings to a system without glibc: a phone.

They come from the compiler that built the runner, and are copied when the runner is deployed. The loader
among them starts the runner, so nothing of the system's own libraries is used.
"""

import subprocess
from pathlib import Path

from edgeq.errors import HostError
from edgeq.runner.build import RunnerBundle, find_compiler

LOADERS = {"aarch64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
# What the runner and ExecuTorch's libraries ask for (`readelf --dynamic`), beside the loader.
_LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6")


def system_files(bundle: RunnerBundle) -> dict[str, Path]:
    """Loader and C and C++ libraries by name, as files to deploy.

    Raises:
        HostError: the compiler, or one of its libraries, is missing.
    """
    compiler = find_compiler(bundle.arch)
    names = (LOADERS[bundle.arch], *_LIBRARIES)
    return {name: _find(compiler, name) for name in names}


def start_command(arch: str, system: str, libraries: str, runner: str) -> list[str]:
    """The words that start the runner on the device, before its arguments.

    Args:
        arch: the runner's.
        system: folder of `system_files` on the device.
        libraries: folder of ExecuTorch's libraries there.
        runner: the program; it names itself, since the kernel would call it after the loader.
    """
    # What a terminal app preloads is made for Android's own C library.
    clean = ["env", "-u", "LD_PRELOAD", "-u", "LD_LIBRARY_PATH"]
    return [
        *clean,
        f"{system}/{LOADERS[arch]}",
        "--library-path",
        f"{libraries}:{system}",
        "--argv0",
        runner,
        runner,
    ]


def _find(compiler: str, name: str) -> Path:
    command = [compiler, f"-print-file-name={name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    path = Path(done.stdout.strip())
    # A file that it does not find comes back as the bare name.
    if done.returncode != 0 or not path.is_absolute() or not path.is_file():
        raise HostError(
            f"{compiler} has no {name}, which the runner brings to a phone",
            hint="install that compiler again; on Debian the library is in libc6-arm64-cross, "
            "libstdc++6-arm64-cross or libgcc-s1-arm64-cross",
        )
    return path.resolve()
