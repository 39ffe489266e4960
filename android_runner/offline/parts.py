"""What an app is compiled with: Android's stubs, dx, ExecuTorch's Java classes. Fetched once and cached."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.cache import cached, key_of
from edgeq.devices.board.packages import Apt
from edgeq.errors import HostError

# The last release that has them; a newer one has neither.
_SUITE = "bullseye"
_PACKAGES = {
    "libandroid-23-java": "usr/share/java/com.android.android-23.jar",
    "dalvik-exchange": "usr/share/java/com.android.dx-10.0.0.jar",
}
# ExecuTorch's own Java classes, of a release between 1.1 and 1.2, for Java 8. Later releases of the package
# have class files that dx refuses, or none. Only compiled against: never packed, never committed.
_NPM_PACKAGE = "react-native-executorch@0.8.5"
_NPM_MEMBER = "package/android/libs/classes.jar"
_NPM_SHA256 = "24df12b3557751d275228584d3a159ad4294561eeabca1372cca7b9a7eca712f"
_SECONDS = 300


@dataclass(frozen=True)
class Parts:
    """Paths of the jars: Android 6's API, the dexer, ExecuTorch's API."""

    android: Path
    dx: Path
    executorch: Path


def find_parts() -> Parts:
    """The parts, fetched the first time.

    Raises:
        HostError: a package is not to be had, or is another one than it was.
    """
    debian, _ = cached("android-build", key_of({"suite": _SUITE, "packages": _PACKAGES}), _fetch_debian)
    npm, _ = cached("android-api", key_of({"package": _NPM_PACKAGE, "sha256": _NPM_SHA256}), _fetch_npm)
    return Parts(
        android=debian / "libandroid-23-java.jar",
        dx=debian / "dalvik-exchange.jar",
        executorch=npm / "classes.jar",
    )


def call(command: Sequence[str | Path], what: str, package: str, folder: Path | None = None) -> str:
    """Run a tool of this machine to its end and return what it printed.

    Raises:
        HostError: it is missing (`package` has it), failed, or did not end.
    """
    words = list(map(str, command))
    if shutil.which(words[0]) is None:
        hint = f"apt-get install --no-install-recommends {package}"
        raise HostError(f"this machine has no {words[0]}, which {what}", hint=hint)
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{words[0]}, which {what}, did not end within {_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:] or "no message"
        raise HostError(f"{words[0]}, which {what}, failed: {said}")
    return done.stdout


def _fetch_debian(folder: Path) -> None:
    architecture = call(["dpkg", "--print-architecture"], "names this machine's architecture", "dpkg").strip()
    with tempfile.TemporaryDirectory() as scratch:
        apt = Apt(Path(scratch), architecture, _SUITE)
        apt.update()
        for name, unpacked in apt.download(list(_PACKAGES)).items():
            shutil.copy(unpacked / _PACKAGES[name], folder / f"{name}.jar")


def _fetch_npm(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", _NPM_PACKAGE, "--silent", "--pack-destination", scratch]
        call(command, "fetches ExecuTorch's Java classes", "npm", Path(scratch))
        (packed,) = Path(scratch).glob("*.tgz")
        with tarfile.open(packed) as archive:
            member = archive.extractfile(_NPM_MEMBER)
            data = b"" if member is None else member.read()
    if hashlib.sha256(data).hexdigest() != _NPM_SHA256:
        raise HostError(f"{_NPM_MEMBER} of {_NPM_PACKAGE} is not what it was: not compiled against")
    (folder / "classes.jar").write_bytes(data)
