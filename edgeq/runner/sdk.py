"""The ExecuTorch C++ SDK: headers, libraries and CMake package out of the wheel of one exact release.

The Linux wheels carry a C++ runtime that needs neither torch nor Python, for x86_64 and aarch64 alike, so the
runner is always built against the very release that wrote the program.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path, PurePosixPath

from edgeq.cache import cached, key_of
from edgeq.errors import BuildError, HostError

ARCHITECTURES = ("aarch64", "x86_64")
# Oldest C library that its wheels are made for, and what their code takes for granted on each architecture.
GLIBC = "2.28"
CPU_FEATURES: dict[str, tuple[str, ...]] = {"aarch64": ("fp", "asimd"), "x86_64": ("sse2",)}

# What the runner loads at run time, beside the C and C++ libraries of the device.
RUNTIME_LIBRARIES = (
    "libexecutorch.so",
    "libexecutorch_backend_xnnpack.so",
    "libexecutorch_etdump.so",
    "libexecutorch_kernels_optimized.so",
    "libexecutorch_kernels_quantized.so",
    "libexecutorch_threadpool.so",
)

_WANTED = ("executorch/include/", "executorch/lib/", "executorch/share/cmake/", "executorch/version.py")
_LAYOUT = 1
_DOWNLOAD_SECONDS = 900

# The SDK in a wheel does not depend on its Python version, so any that exists will do.
_PYTHONS = (f"{sys.version_info.major}.{sys.version_info.minor}", "3.12", "3.11", "3.13", "3.10")


def public_version(executorch: str) -> str:
    """The release of an ExecuTorch version text: `1.5.1+cpu` is release `1.5.1`.

    Raises:
        HostError: it is no version.
    """
    match = re.fullmatch(
        r"(\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?)(?:\+[\w.]+)?", executorch
    )
    if match is None:
        raise HostError(f"{executorch!r} is no ExecuTorch version", hint="name a release such as 1.5.1")
    return match[1]


def fetch_sdk(version: str, arch: str, *, announce: Callable[[str], None] = lambda _: None) -> Path:
    """Download and unpack the SDK of ExecuTorch `version` for `arch`; cached, announced when it is not.

    Returns:
        the `executorch` folder: CMake's prefix path.

    Raises:
        HostError: no network, no pip, no such release or architecture.
        BuildError: the wheel is not what was asked for.
    """
    version = public_version(version)
    if arch not in ARCHITECTURES:
        raise HostError(
            f"there is no ExecuTorch SDK for {arch}", hint=f"the architectures are {', '.join(ARCHITECTURES)}"
        )
    key = key_of({"executorch": version, "arch": arch, "layout": _LAYOUT})

    def make(into: Path) -> None:
        announce(f"fetching the ExecuTorch {version} SDK for {arch}")
        _make(into, version, arch)

    folder, _ = cached("sdk", key, make)
    return folder / "executorch"


def _make(folder: Path, version: str, arch: str) -> None:
    with tempfile.TemporaryDirectory(prefix="edgeq-sdk-") as scratch:
        wheel = _download(version, arch, Path(scratch))
        unpack_sdk(wheel, folder, version)


def _download(version: str, arch: str, into: Path) -> Path:
    """Let pip fetch the wheel: it knows the user's index, mirrors and proxies."""
    output = ""
    for python in dict.fromkeys(_PYTHONS):
        output = _pip_download(version, arch, python, into)
        if wheels := list(into.glob("executorch-*.whl")):
            return wheels[0]
        if "No matching distribution found" not in output:
            break
    raise _download_error(version, arch, output)


def _pip_download(version: str, arch: str, python: str, into: Path) -> str:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += [
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--platform",
        f"manylinux_{GLIBC.replace('.', '_')}_{arch}",
    ]
    command += ["--python-version", python, "--dest", str(into), f"executorch=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"pip did not finish downloading executorch {version} in {_DOWNLOAD_SECONDS} s",
            hint="look at the network connection, then try again",
        ) from error
    return done.stdout + done.stderr


def _download_error(version: str, arch: str, output: str) -> HostError:
    what = f"cannot download the ExecuTorch {version} SDK for {arch}"
    if "No module named pip" in output:
        return HostError(f"{what}: {sys.executable} has no pip", hint=f"run `{sys.executable} -m ensurepip`")
    lines = [line for line in output.splitlines() if line.strip()]
    # pip reports a dead network as retries first, then as a package without versions.
    if re.search(r"connection broken|Failed to establish|ConnectTimeout|ProxyError|SSLError", output):
        cause = next(line for line in lines if re.search("connection|Connect|Proxy|SSL", line))
        return HostError(
            f"{what}: no network ({cause.strip()[:300]})",
            hint="connect to the package index (pip's own settings are used), then try again",
        )
    if found := re.search(r"from versions: ([^)]*)\)", output):
        return HostError(
            f"{what}: there is no such release with a C++ SDK; pip sees {found[1]}",
            hint="export with one of these releases",
        )
    return HostError(f"{what}: pip said {' '.join(lines[-3:])[:500]}", hint="run pip by hand to see more")


def unpack_sdk(wheel: Path, folder: Path, version: str) -> None:
    """Unpack what the SDK needs of `wheel` into `folder`.

    Raises:
        BuildError: not a wheel of ExecuTorch `version`, a library is missing, or a member's path leaves the
            folder.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            info = next(
                (name for name in names if re.fullmatch(r"executorch-[^/]*\.dist-info/METADATA", name)), None
            )
            got = Parser().parsestr(archive.read(info).decode())["Version"] if info else None
            if got is None or public_version(got) != version:
                raise BuildError(
                    f"{wheel.name} holds executorch {got}, not {version}", hint="clear pip's cache"
                )
            licenses = f"{PurePosixPath(info or '').parent}/licenses/"
            for name in names:
                if name.startswith((*_WANTED, licenses)) and not name.endswith("/"):
                    _unpack_member(archive, name, folder)
    except (zipfile.BadZipFile, OSError) as error:
        raise BuildError(f"cannot unpack {wheel.name}: {error}", hint="try again") from error
    lost = [name for name in RUNTIME_LIBRARIES if not (folder / "executorch/lib" / name).is_file()]
    if lost:
        raise BuildError(
            f"executorch {version} has no C++ SDK in its wheel: {', '.join(lost)} missing",
            hint="export with a release that has it: 1.5.1 does",
        )


def _unpack_member(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise BuildError(
            f"the wheel holds a file outside of its folder: {name!r}", hint="do not use this wheel"
        )
    target = folder.joinpath(*path.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written as a plain file, also when the archive says that it is a link.
    with archive.open(name) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
