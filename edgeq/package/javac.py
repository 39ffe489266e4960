"""Compiles the generated class with the machine's JDK, against stubs of the Android classes it calls."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from edgeq.errors import ExportError, HostError
from edgeq.package.archive import write_zip
from edgeq.package.java import ClassName
from edgeq.package.templates import FOLDER

# Java 8 class files without lambdas: every dexer takes them. `-options`: later JDKs warn that 8 is old.
FLAGS = (
    "--release",
    "8",
    "-encoding",
    "UTF-8",
    "-g:source,lines",
    "-Xlint:all,-options",
    "-Werror",
    "-proc:none",
)
_SECONDS = 120


def compile_class(source: str, target: ClassName) -> bytes:
    """The classes.jar of `source`; the same JDK gives the same bytes.

    Raises:
        HostError: no javac.
        ExportError: javac refused the source.
    """
    javac = shutil.which("javac")
    if javac is None:
        raise HostError(
            "no javac on this machine: an Android library holds a compiled class",
            hint="apt-get install --no-install-recommends openjdk-17-jdk-headless, or --as bundle",
        )
    with tempfile.TemporaryDirectory(prefix="edgeq-java.") as name:
        work = Path(name)
        classes, nothing = work / "classes", work / "nothing"
        file = work / "source" / target.path
        for folder in (classes, nothing, file.parent):
            folder.mkdir(parents=True)
        file.write_text(source, encoding="utf-8")
        # The stubs are found as sources, and no class files are made of them; CLASSPATH has no say.
        paths = ["-classpath", str(nothing), "-sourcepath", str(FOLDER)]
        _run([javac, *FLAGS, *paths, "-implicit:none", "-d", str(classes), str(file)])
        found = {path.relative_to(classes).as_posix(): path.read_bytes() for path in classes.rglob("*.class")}
    return write_zip(found)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"javac did not end within {_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise ExportError(
            f"javac refused the generated class: {said}", hint="`javac --version` must be 8 to 21"
        )
