"""The Android library: its entries, the generated class by javap, and its loader run by a desktop Java."""

import hashlib
import os
import re
import struct
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
from entries import where
from hostile import TEXTS
from made import IMAGES, SCORES, change_manifest, make_folder, packed
from msgspec import to_builtins
from msgspec.structs import replace

from edgeq.package.aar import Coordinates, build_aar, build_repository
from edgeq.package.archive import ALIGNMENT, read_zip
from edgeq.package.facts import Facts, InputFacts, OutputFacts
from edgeq.package.java import ClassName
from edgeq.package.javac import FLAGS
from edgeq.package.verify import verify_package

FAKES = Path(__file__).parent / "java"
DIGITS = ClassName("com.example.digits", "Digits")
WHERE = Coordinates(DIGITS, "1.2.3")
LABELS = ('a"b\\u0041\n', "\x00\x7f\xff\u20ac", "\U0001f600 */ ")
FACTS = Facts(
    about="Digits & <more>",
    inputs={"images": InputFacts(mean=(1.0, 2.0), scale=(0.5, 10.0))},
    outputs={"output": OutputFacts(labels=LABELS)},
)


class Library:
    """An .aar, its class with fakes of Android behind it, and where the assets lie in it."""

    def __init__(self, folder, data):
        self.folder, self.aar = folder, folder / "digits.aar"
        self.aar.write_bytes(data)
        (folder / "classes.jar").write_bytes(read_zip(self.aar)["classes.jar"])
        for target in ("fakes", "main"):
            (folder / target).mkdir()
        self._javac("fakes", *FAKES.glob("android/**/*.java"))
        self._javac("main", FAKES / "Main.java", "-cp", f"{folder}/classes.jar:{folder}/fakes")
        self.offsets = folder / "offsets"
        self.offsets.write_text("".join(f"{n} {start} {size}\n" for n, start, size in where(self.aar)))

    def _javac(self, target, *arguments):
        command = ["javac", *FLAGS, "-d", str(self.folder / target), *map(str, arguments)]
        subprocess.run(command, check=True)

    def run(self, *arguments):
        path = f"{self.folder}/classes.jar:{self.folder}/fakes:{self.folder}/main"
        done = subprocess.run(
            ["java", "-Xshare:auto", "-cp", path, "Main", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    def app(self, what, storage, archive=None, offsets=None):
        return self.run(what, archive or self.aar, offsets or self.offsets, storage)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("artifacts")
    return make_folder(home / "int8"), make_folder(home / "fp32", recipe="fp32")


@pytest.fixture(scope="module")
def contents(folders):
    return packed(*folders, needs=("int8=dotprod,i8mm",), facts=FACTS)


@pytest.fixture(scope="module")
def library(tmp_path_factory, contents):
    return Library(tmp_path_factory.mktemp("library"), build_aar(contents, WHERE))


def test_the_library_has_what_android_wants_and_programs_that_can_be_mapped(library):
    entries = read_zip(library.aar)
    assert sorted(entries) == [
        "AndroidManifest.xml",
        "R.txt",
        "assets/edgeq/digits.fp32.pte",
        "assets/edgeq/digits.int8.pte",
        "assets/edgeq/digits.package.json",
        "classes.jar",
        "proguard.txt",
    ]
    assert ET.fromstring(entries["AndroidManifest.xml"]).get("package") == "com.example.digits"
    assert b"-keep class com.example.digits.Digits {" in entries["proguard.txt"]
    starts = [start for name, start, _ in where(library.aar) if name.endswith(".pte")]
    assert len(starts) == 2
    assert all(start % ALIGNMENT == 0 for start in starts)
    assert verify_package(library.aar).document.kind == "aar"


def test_the_class_is_for_java_8_and_offers_what_is_documented(library):
    command = ["javap", "-v", "-cp", str(library.folder / "classes.jar"), "com.example.digits.Digits"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "major version: 52" in text
    assert "InvokeDynamic" not in text  # dexers without desugaring have no lambdas
    for member in (
        "java.io.File load(android.content.Context) throws java.io.IOException",
        "java.nio.MappedByteBuffer map(android.content.Context",
        "java.nio.FloatBuffer allocateImages()",
        "java.nio.FloatBuffer prepareImages(float[])",
        "java.util.List<java.lang.String> labelsOutput()",
        "Digits$Program pick()",
    ):
        assert member in text


def test_the_class_needs_no_executorch_and_no_other_android(library):
    command = ["jdeps", "-v", "-cp", str(library.folder / "fakes"), str(library.folder / "classes.jar")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"-> ((?!java|com\.example|/)\S+)", text)) <= {
        "android.content.Context",
        "android.content.res.AssetManager",
        "android.content.res.AssetFileDescriptor",
    }


def test_java_sees_the_tensors_the_programs_and_the_labels_as_they_are(library, folders):
    lines = library.run("describe")
    assert "input images float32 [1, 2, 2, 3] [1.0, 2.0] [0.5, 10.0]" in lines
    assert "output output float32 [1, 3] [] []" in lines
    sha256 = hashlib.sha256((folders[0] / "model.pte").read_bytes()).hexdigest()
    assert f"int8 edgeq/digits.int8.pte 20000 {sha256}" in lines
    assert "buffer true 12 LITTLE_ENDIAN" in lines
    units = [label.encode("utf-16-be") for label in LABELS]
    shown = [
        "".join(
            chr(unit) if 0x20 < unit < 0x7F else f"{{{unit:x}}}"
            for unit in struct.unpack(f">{len(raw) // 2}H", raw)
        )
        for raw in units
    ]
    assert [line.removeprefix("label ") for line in lines if line.startswith("label ")] == shown


def test_preprocessing_is_by_channel_and_other_lengths_are_refused(library):
    *numbers, refusal = library.run("prepare")
    expected = [(raw - 1) * 0.5 for raw in range(6)] + [(raw - 2) * 10.0 for raw in range(6, 12)]
    assert [float(number) for number in numbers] == expected
    assert refusal == "images has 12 elements, given were 1"


CORE = "processor\t: {0}\nFeatures\t: fp asimd {1}\nCPU part\t: 0xd0b\n\n"


@pytest.mark.parametrize(
    ("cores", "picked"),
    [
        (["asimddp i8mm"], "int8"),
        (["asimddp"], "fp32"),
        (["asimddp i8mm", "asimddp"], "fp32"),  # the little cores lack it
        (["asimddp i8mm", "i8mm asimddp"], "int8"),
        (["asimddpx xi8mm"], "fp32"),
        ([], "fp32"),
    ],
)
def test_the_cpus_features_pick_the_program(library, tmp_path, cores, picked):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("".join(CORE.format(number, words) for number, words in enumerate(cores)))
    assert library.run("pick", cpuinfo) == [picked]


def test_loading_copies_the_program_once_and_checks_it(library, tmp_path, folders):
    program = (folders[0] / "model.pte").read_bytes()
    (path,) = library.app("load", tmp_path)
    file = Path(path)
    assert file.is_relative_to(tmp_path)
    assert file.read_bytes() == program
    inode = file.stat().st_ino
    assert library.app("load", tmp_path) == [path]
    assert file.stat().st_ino == inode
    file.write_bytes(b"x" * len(program))  # damaged: same size, other bytes
    assert library.app("load", tmp_path) == [path]
    assert file.read_bytes() == program
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_loading_a_changed_asset_is_refused_and_leaves_nothing(library, tmp_path):
    changed = tmp_path / "changed.aar"
    data = bytearray(library.aar.read_bytes())
    start = next(start for name, start, _ in where(library.aar) if name.endswith("int8.pte"))
    data[start] ^= 1
    with zipfile.ZipFile(changed, "w") as archive:
        archive.writestr("assets/edgeq/digits.int8.pte", bytes(data[start : start + 20_000]))
    (line,) = library.app("load", tmp_path / "storage", changed)
    assert line.startswith("refused: asset edgeq/digits.int8.pte has SHA-256 ")
    assert [each for each in (tmp_path / "storage").rglob("*") if each.is_file()] == []


def test_loading_removes_what_an_earlier_version_left(library, tmp_path):
    home = tmp_path / "edgeq" / "com.example.digits.Digits"
    home.mkdir(parents=True)
    old, young = home / "old.pte", home / "young.part"
    for each in (old, young):
        each.write_bytes(b"")
    os.utime(old, (0, 0))
    library.app("load", tmp_path)
    assert not old.exists()
    assert young.exists()


def test_mapping_gives_the_bytes_in_place(library, tmp_path, folders):
    first = (folders[0] / "model.pte").read_bytes()[0]
    signed = first - 256 if first > 127 else first
    assert library.app("map", tmp_path) == [f"20000 {signed} true"]
    assert list(tmp_path.iterdir()) == []
    (line,) = library.app("map", tmp_path, offsets=Path("/dev/null"))
    assert "probably compressed" in line


def test_a_repository_has_checksums_and_the_runtime_of_the_exporter(contents, library):
    files = build_repository(contents, WHERE)
    home = "com/example/digits/digits"
    assert files[f"{home}/1.2.3/digits-1.2.3.aar"] == library.aar.read_bytes()  # and so reproducible
    for path in [path for path in files if path.startswith("com/") and path.endswith(".sha1")]:
        data = files[path.removesuffix(".sha1")]
        assert files[path].decode() == hashlib.sha1(data).hexdigest()
    pom = ET.fromstring(files[f"{home}/1.2.3/digits-1.2.3.pom"])
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    texts = [pom.findtext(f"m:{name}", None, space) for name in ("groupId", "artifactId", "version")]
    assert texts == ["com.example.digits", "digits", "1.2.3"]
    assert pom.findtext("m:packaging", None, space) == "aar"
    assert pom.findtext("m:description", None, space) == "Digits & <more>"
    (needed,) = pom.iterfind("m:dependencies/m:dependency", space)
    assert [child.text for child in needed] == ["org.pytorch", "executorch-android", "1.5.1", "compile"]
    metadata = ET.fromstring(files[f"{home}/maven-metadata.xml"])
    assert metadata.findtext("versioning/release") == "1.2.3"


def test_hostile_text_stays_text_everywhere(tmp_path):
    folder = make_folder(tmp_path / "a")
    specs = [replace(IMAGES, name=text) for text in TEXTS]
    change_manifest(folder, inputs=to_builtins(specs), outputs=to_builtins([replace(SCORES, name=TEXTS[0])]))
    labels = OutputFacts(labels=tuple(text[:200] for text in TEXTS[1:4]))
    facts = Facts(about=TEXTS[5], licence=TEXTS[1], limits=TEXTS, outputs={TEXTS[0]: labels})
    contents = packed(folder, facts=facts)
    files = build_repository(contents, WHERE)
    ET.fromstring(files["com/example/digits/digits/1.2.3/digits-1.2.3.pom"])
    card = files["MODEL_CARD.md"].decode()
    assert not re.search(r"(?<!\\)[<>]", card)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", card)
