"""The real adbd: Debian 13's package and its libraries, unpacked in edgeq's cache; Debian 12 has none."""

import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgeq.cache import cached, key_of
from edgeq.devices.board.packages import Apt

_SUITE = "trixie"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class _SuiteApt(Apt):
    """apt that reads one suite of the mirror that this machine uses, and nothing else."""

    def _options(self) -> dict[str, str]:
        sources = self.folder / "sources.list"
        sources.write_text(f"deb [signed-by={_KEYRING}] {_mirror()} {_SUITE} main\n")
        return super()._options() | {"Dir::Etc::sourcelist": str(sources), "Dir::Etc::sourceparts": "-"}


def find_adbd() -> Path:
    """A folder with adbd and everything that it loads, below `usr/`; fetched by apt the first time."""
    architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            apt = _SuiteApt(Path(scratch), architecture)
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


def _mirror() -> str:
    """Where this machine gets its own Debian release from."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    listed = subprocess.check_output(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"], text=True
    )
    for line in listed.splitlines():
        uri, release = line.split()
        if codename and release == codename[1]:
            return uri
    raise AssertionError("apt has no source for this machine's own Debian release")
