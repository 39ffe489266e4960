"""What can be said of an .apk without running it: signature, manifest, alignment, the classes in its dex."""

import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from offline.parts import call

# Calls that a dex of this one makes to classes that no Android has.
_NOT_ON_ANDROID = ("Ljava/lang/invoke/", "Ljava/lang/management/", "invoke-custom")


@dataclass(frozen=True)
class Facts:
    """What was found.

    Attributes:
        schemes: versions of Android's signature schemes by which it verifies.
        badging: what `aapt dump badging` prints, by its first word.
        manifest: what `aapt dump xmltree` prints.
        classes: names of the classes that its dex defines, as `a.b.C$D`.
        foreign: calls in the dex that Android does not answer.
    """

    schemes: tuple[str, ...]
    badging: dict[str, str]
    manifest: str
    classes: frozenset[str]
    foreign: tuple[str, ...]


def examine(apk: Path) -> Facts:
    """Examine an app.

    Raises:
        HostError: it is not signed, not aligned, or a tool is missing.
    """
    verified = call(["apksigner", "verify", "--verbose", apk], "verifies the signature", "apksigner")
    call(["zipalign", "-c", "-p", "4", apk], "checks the alignment", "zipalign")
    badging = call(["aapt", "dump", "badging", apk], "reads the manifest", "aapt")
    dex = _dump(apk)
    return Facts(
        schemes=tuple(re.findall(r"Verified using (v[\d.]+) scheme .*: true", verified)),
        badging=dict(re.findall(r"^([\w-]+):? ?'?(.*?)'?$", badging, re.MULTILINE)),
        manifest=call(["aapt", "dump", "xmltree", apk, "AndroidManifest.xml"], "reads the manifest", "aapt"),
        classes=frozenset(
            name.replace("/", ".") for name in re.findall(r"Class descriptor\s+: 'L(.*);'", dex)
        ),
        foreign=tuple(word for word in _NOT_ON_ANDROID if word in dex),
    )


def _dump(apk: Path) -> str:
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(apk) as archive:
        dex = archive.extract("classes.dex", name)
        return call(["dexdump", "-d", dex], "reads the dex", "dexdump")
