"""The real adbd: Debian 13's package and its libraries, unpacked in edgeq's cache; Debian 12 has none."""

import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgeq.cache import cached, key_of
from edgeq.devices.board.packages import Apt

_SUITE = "trixie"


def find_adbd() -> Path:
    """A folder with adbd and everything that it loads, below `usr/`; fetched by apt the first time."""
    architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            apt = Apt(Path(scratch), architecture, _SUITE)
            apt.update()
            for part in apt.download(apt.resolve(["adbd"])).values():
                shutil.copytree(part, folder, symlinks=True, dirs_exist_ok=True)

    return cached("test-adbd", key_of({"suite": _SUITE, "architecture": architecture, "layout": 1}), make)[0]


def loader_command(adbd: Path) -> list[str]:
    """How to start adbd from `adbd`, with the C library that it was built for."""
    triplet = f"{platform.machine()}-linux-gnu"
    libraries = adbd / "usr/lib" / triplet
    loader = next(libraries.glob("ld-linux-*.so.*"))
    path = f"{libraries}:{libraries}/android"
    return [str(loader), "--library-path", path, str(adbd / "usr/lib/android-sdk/platform-tools/adbd")]
