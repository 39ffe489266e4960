"""Fetch Debian packages of another architecture or release by this machine's own apt; its set-up stays.

apt gets folders of its own for lists and downloads and an empty list of installed packages; sources, keys
and proxies stay the host's, and apt checks every signature and hash. Packages are only unpacked.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgeq.errors import HostError

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_TOOLS = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg"}


class Apt:
    """apt for one architecture, working in `folder`.

    `suite` is a release to read, alone, from the host's own mirror; None for the host's sources.
    """

    def __init__(self, folder: Path, architecture: str, suite: str | None = None) -> None:
        self.folder = folder
        self.architecture = architecture
        self.suite = suite

    def update(self) -> None:
        """Fetch the package lists.

        Raises:
            HostError: no apt here, or its sources cannot be read.
        """
        for tool, package in _TOOLS.items():
            if shutil.which(tool) is None:
                raise HostError(
                    f"this needs packages that Debian's own tools fetch, and this machine has no {tool}",
                    hint=f"use a Debian machine (or container) with the package {package!r}",
                )
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        if self.suite is not None:
            source = f"deb [signed-by={_KEYRING}] {_mirror()} {self.suite} main\n"
            (self.folder / "sources.list").write_text(source)
        self._run("apt-get", "update")

    def resolve(self, names: Sequence[str]) -> list[str]:
        """`names` and every package that they depend on."""
        said = self._run("apt-get", "install", "--simulate", "--no-install-recommends", *names)
        return [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]

    def depends(self, name: str) -> list[str]:
        """The packages that `name` names as its dependencies."""
        said = self._run("apt-cache", "depends", "--important", name)
        return [line.split()[1] for line in said.splitlines() if line.strip().startswith("Depends:")]

    def download(self, names: Sequence[str]) -> dict[str, Path]:
        """Fetch packages; returns the unpacked folder of each, by package name.

        Raises:
            HostError: a package is not to be had, or apt's check of it failed.
        """
        store = self.folder / "debs"
        store.mkdir(exist_ok=True)
        self._run("apt-get", "download", *names, folder=store)
        found = {path.name.split("_")[0]: path for path in store.glob("*.deb")}
        if missing := sorted(set(names) - found.keys()):
            raise HostError(f"apt-get download gave no {', '.join(missing)} for {self.architecture}")
        return {name: self._unpack(name, found[name]) for name in names}

    def _unpack(self, name: str, package: Path) -> Path:
        architecture = self._run("dpkg-deb", "--field", str(package), "Architecture").strip()
        if architecture not in (self.architecture, "all"):
            raise HostError(
                f"apt-get download gave {package.name} for {architecture}, not {self.architecture}"
            )
        target = self.folder / "unpacked" / name
        target.mkdir(parents=True)
        self._run("dpkg-deb", "--extract", str(package), str(target))
        return target

    def _run(self, tool: str, *arguments: str, folder: Path | None = None) -> str:
        options = [] if tool == "dpkg-deb" else [f"-o{key}={value}" for key, value in self._options().items()]
        done = subprocess.run([tool, *options, *arguments], cwd=folder, capture_output=True, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-2000:] or "no message"
            wanted = " ".join(filter(None, (self.suite, self.architecture)))
            raise HostError(
                f"`{tool} {' '.join(arguments)}` for {wanted} failed: {said}",
                hint=f"the sources that `apt-get update` reads must carry {wanted}",
            )
        return done.stdout.decode(errors="replace")

    def _options(self) -> dict[str, str]:
        own = (
            {}
            if self.suite is None
            else {
                "Dir::Etc::sourcelist": f"{self.folder}/sources.list",
                "Dir::Etc::sourceparts": "-",
            }
        )
        return own | {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Dir::State::Lists": f"{self.folder}/lists",
            "Dir::State::status": f"{self.folder}/status",
            "Dir::Cache": str(self.folder),
            "Dir::Cache::archives": f"{self.folder}/archives",
        }


def _mirror() -> str:
    """Where this machine gets its own Debian release from."""
    release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in listed.stdout.splitlines():
        uri, name = line.split()
        if release and name == release[1]:
            return uri
    raise HostError(
        "apt has no source for this machine's own Debian release",
        hint="give it one, in /etc/apt/sources.list.d",
    )
