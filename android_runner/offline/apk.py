"""From the sources of one app to an .apk that is signed with a throw-away key."""

import re
import shutil
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from edgeq.cache import cached, file_sha256, key_of
from edgeq.errors import InputError
from edgeq.package.javac import FLAGS
from offline.parts import Parts, call

ROOT = Path(__file__).parents[1]
_PASSWORD = "throw-away"  # noqa: S105 - of a key that is made here and lasts as long as the build
# Part of the cache's key: another way to build is another app.
_LAYOUT = 1


@dataclass(frozen=True)
class App:
    """An app of this project.

    Attributes:
        package: Android's name of it, as `applicationId` in its build.gradle.
        main: its folder src/main.
        debuggable: whether adb's run-as may enter it.
        libraries: Android libraries (.aar) that it is built with.
    """

    package: str
    main: Path
    debuggable: bool = False
    libraries: tuple[Path, ...] = field(default=())


RUNNER = App("edgeq.runner", ROOT / "runner/src/main", debuggable=True)


def example(library: Path) -> App:
    """The example app with the .aar that `edgeq package` made of the digits."""
    return App("edgeq.example", ROOT / "example/src/main", libraries=(library,))


def build_apk(app: App, parts: Parts) -> Path:
    """The app's .apk, from the cache when nothing has changed.

    Raises:
        HostError: a tool is missing, or refused the sources.
        InputError: a library is none.
    """
    sources = {
        str(path.relative_to(app.main)): file_sha256(path) for path in app.main.rglob("*") if path.is_file()
    }
    used = [*app.libraries, parts.android, parts.dx, parts.executorch, ROOT / "gradle.properties"]
    facts = {"layout": _LAYOUT, "package": app.package, "debuggable": app.debuggable}
    key = key_of({**facts, "sources": sources, "used": [file_sha256(path) for path in used]})
    folder, _ = cached("android-apk", key, lambda made: _build(app, parts, made / "app.apk"))
    return folder / "app.apk"


def _build(app: App, parts: Parts, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edgeq-apk.") as name:
        work = Path(name)
        for folder in ("classes", "assets"):
            (work / folder).mkdir()
        jars = [_unpack(library, work, number) for number, library in enumerate(app.libraries)]
        if (app.main / "assets").is_dir():
            shutil.copytree(app.main / "assets", work / "assets", dirs_exist_ok=True)
        _compile(app, [parts.android, parts.executorch, *jars], work / "classes")
        dx: list[str | Path] = ["java", "-jar", parts.dx, "--dex", f"--min-sdk-version={_property('minSdk')}"]
        dx += [f"--output={work / 'classes.dex'}", work / "classes", *jars]
        call(dx, "makes a dex of the classes", "openjdk-17-jdk-headless")
        _pack(app, parts, work)
        sign_apk(work / "packed.apk", target)


def _unpack(library: Path, work: Path, number: int) -> Path:
    """Put the assets of an .aar among the app's; the path of its classes.

    Raises:
        InputError: it is none, or damaged.
    """
    jar = work / f"library-{number}.jar"
    try:
        with zipfile.ZipFile(library) as archive:
            jar.write_bytes(archive.read("classes.jar"))
            archive.extractall(work, [name for name in archive.namelist() if name.startswith("assets/")])
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{library} is no Android library: {error}", hint="name an .aar of `edgeq package --as aar`"
        ) from error
    return jar


def _compile(app: App, classpath: list[Path], target: Path) -> None:
    sources = sorted((app.main / "java").rglob("*.java"))
    command: list[str | Path] = [
        "javac",
        *FLAGS,
        "-cp",
        ":".join(map(str, classpath)),
        "-d",
        target,
        *sources,
    ]
    call(command, "compiles the sources", "openjdk-17-jdk-headless")


def _pack(app: App, parts: Parts, work: Path) -> None:
    """Manifest, assets and dex, aligned; what Gradle takes from build.gradle is told aapt."""
    manifest = (app.main / "AndroidManifest.xml").read_text(encoding="utf-8")
    manifest = re.sub(r"<manifest\b", f'<manifest package="{app.package}"', manifest, count=1)
    (work / "AndroidManifest.xml").write_text(manifest, encoding="utf-8")
    command: list[str | Path] = [
        "aapt",
        "package",
        "-f",
        "-M",
        work / "AndroidManifest.xml",
        "-I",
        parts.android,
    ]
    command += ["-A", work / "assets", "-0", "pte", "-F", work / "packed.apk"]
    command += ["--min-sdk-version", _property("minSdk"), "--target-sdk-version", _property("targetSdk")]
    command += ["--version-code", "1", "--version-name", "1", *(["--debug-mode"] if app.debuggable else [])]
    call(command, "packs the app", "aapt")
    call(["aapt", "add", work / "packed.apk", "classes.dex"], "packs the app", "aapt", work)


def sign_apk(packed: Path, target: Path) -> None:
    """Align what an app maps, and sign the app with a key that is made for it and forgotten.

    Raises:
        HostError: a tool is missing, or refused it.
    """
    with tempfile.TemporaryDirectory(prefix="edgeq-key.") as name:
        keys, aligned = Path(name, "key.p12"), Path(name, "aligned.apk")
        call(["zipalign", "-f", "-p", "4", packed, aligned], "aligns what is mapped", "zipalign")
        make: list[str | Path] = ["keytool", "-genkeypair", "-keystore", keys, "-storetype", "PKCS12"]
        make += ["-storepass", _PASSWORD, "-alias", "edgeq", "-keyalg", "EC", "-validity", "1000"]
        call([*make, "-dname", "CN=edgeq throw-away"], "makes a key", "openjdk-17-jdk-headless")
        sign: list[str | Path] = ["apksigner", "sign", "--ks", keys, "--ks-pass", f"pass:{_PASSWORD}"]
        call([*sign, "--v4-signing-enabled", "false", "--out", target, aligned], "signs the app", "apksigner")


def _property(name: str) -> str:
    text = (ROOT / "gradle.properties").read_text(encoding="utf-8")
    found = re.search(rf"^edgeq\.{name}=(\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"gradle.properties has no edgeq.{name}")
    return found[1]
