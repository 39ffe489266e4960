"""The Android library: programs as assets, the class that knows them, and a Maven repository around it.

None of it was run on a phone or built into an app here: the layout is that of Android's documentation ("AAR
file anatomy") and the class is compiled and run by a desktop Java.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeq.errors import InputError
from edgeq.package.archive import write_zip
from edgeq.package.bundle import LICENCE, RUNS
from edgeq.package.card import NAME as CARD
from edgeq.package.card import render_card
from edgeq.package.contents import Contents
from edgeq.package.document import describe
from edgeq.package.java import ClassName, write_class
from edgeq.package.javac import compile_class
from edgeq.package.signature import sign
from edgeq.package.templates import render
from edgeq.results.records import encode_report

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# That of ExecuTorch's own Android library (extension/android/executorch_android/build.gradle).
MIN_SDK = 23
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
# What Maven and Gradle look for beside each file.
_CHECKSUMS = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Coordinates:
    """Where apps find the library: its class, whose package is the Maven group, and its version."""

    target: ClassName
    version: str

    def gradle(self, name: str) -> str:
        """`group:name:version`, as a line of Gradle wants it."""
        return f"{self.target.package}:{name}:{self.version}"


def check_version(version: str, what: str) -> str:
    """`version`, if it can be the version of a Maven artifact.

    Raises:
        InputError: it cannot.
    """
    if not _VERSION.fullmatch(version) or version.endswith("-SNAPSHOT"):
        raise InputError(
            f"{what} {version!r} is no release version", hint="letters, digits, '.', '_', '+' and '-': 1.0.0"
        )
    return version


def build_aar(contents: Contents, where: Coordinates, key: "Ed25519PrivateKey | None" = None) -> bytes:
    """The .aar: the same contents, JDK and key give the same bytes.

    Raises:
        InputError: the tensors have no form in Java.
        HostError, ExportError: the class cannot be compiled.
    """
    names = {"package": where.target.package, "class_name": where.target.name, "min_sdk": MIN_SDK}
    check_version(contents.manifest.versions.get("executorch", ""), "the artifact's version of ExecuTorch")
    assets = {
        variant.recipe: f"assets/edgeq/{contents.name}.{variant.recipe}.pte" for variant in contents.variants
    }
    files = {
        "AndroidManifest.xml": render("AndroidManifest.xml", names).encode(),
        "proguard.txt": render("proguard.txt", names).encode(),
        "R.txt": b"",  # required, and there are no resources
        "classes.jar": compile_class(write_class(contents, where.target, assets), where.target),
        **{assets[variant.recipe]: variant.files["model.pte"] for variant in contents.variants},
    }
    document = describe("aar", contents, assets, files)
    files[f"assets/edgeq/{contents.name}.package.json"] = document
    if key is not None:
        files[f"assets/edgeq/{contents.name}.signature.json"] = sign(document, key)
    return write_zip(files)


def build_repository(
    contents: Contents, where: Coordinates, key: "Ed25519PrivateKey | None" = None
) -> dict[str, bytes]:
    """A Maven repository with the library in it, by path, and beside that the model card, runs and licence.

    Raises:
        as `build_aar`.
    """
    name, version = contents.name, check_version(where.version, "--version")
    home = f"{where.target.package.replace('.', '/')}/{name}"
    values = {
        "package": where.target.package,
        "name": name,
        "version": version,
        "about": contents.facts.about or f"The model {name}.",
        "licence": contents.facts.licence,
        "executorch": contents.manifest.versions.get("executorch"),
    }
    published = {
        f"{home}/{version}/{name}-{version}.aar": build_aar(contents, where, key),
        f"{home}/{version}/{name}-{version}.pom": render("library.pom", values).encode(),
        f"{home}/maven-metadata.xml": render("maven-metadata.xml", values).encode(),
    }
    files = {CARD: render_card(contents).encode(), RUNS: encode_report(contents.runs), **published}
    if contents.licence is not None:
        files[LICENCE] = contents.licence
    for path, data in published.items():
        files |= {f"{path}.{kind}": hashlib.new(kind, data).hexdigest().encode() for kind in _CHECKSUMS}
    return files
