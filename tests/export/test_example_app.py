"""From artifacts to an app, all but Gradle and the phone: `edgeq package`, and an app built with it."""

import subprocess
import sys
import zipfile

import pytest
from entries import where
from offline.apk import ROOT, build_apk, example
from offline.check import examine
from offline.parts import find_parts

from edgeq.package.archive import ALIGNMENT
from edgeq.package.verify import verify_package

EXAMPLE = ROOT / "example"


@pytest.fixture(scope="module")
def aar(digits_int8, digits_fp32, tmp_path_factory):
    """The library, made as android_runner/README.md says."""
    out = tmp_path_factory.mktemp("example") / "repository"
    command = [
        sys.executable,
        "-m",
        "edgeq",
        "package",
        digits_int8.folder,
        digits_fp32.folder,
        "--as",
        "aar",
    ]
    command += ["--facts", EXAMPLE / "digits.toml", "--java-package", "com.example.digits", "--out", out]
    command += ["--needs", "int8=dotprod", "--allow-unmeasured"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = out.rglob("*.aar")
    assert f'implementation("{gradle_line()}")' in done.stdout
    return made


@pytest.fixture(scope="module")
def apk(aar):
    return build_apk(example(aar), find_parts())


def gradle_line():
    """What the example's build.gradle asks for."""
    lines = (EXAMPLE / "build.gradle").read_text().splitlines()
    return next(line.split("'")[1] for line in lines if line.strip().startswith("implementation"))


def test_the_library_has_both_programs_stored_and_at_the_start_of_a_page(aar, digits_int8, digits_fp32):
    programs = {name: (start, size) for name, start, size in where(aar) if name.endswith(".pte")}
    assert sorted(programs) == ["assets/edgeq/digits.fp32.pte", "assets/edgeq/digits.int8.pte"]
    data = aar.read_bytes()
    for artifact in (digits_int8, digits_fp32):
        start, size = programs[f"assets/edgeq/digits.{artifact.info.recipe}.pte"]
        assert start % ALIGNMENT == 0
        assert data[start : start + size] == artifact.program.read_bytes()
    assert verify_package(aar).document.kind == "aar"


def test_the_app_holds_the_programs_uncompressed_and_the_class_that_knows_them(aar, apk, digits_int8):
    with zipfile.ZipFile(apk) as archive:
        programs = [info for info in archive.infolist() if info.filename.endswith(".pte")]
        assert {info.compress_type for info in programs} == {zipfile.ZIP_STORED}
        assert archive.read("assets/edgeq/digits.int8.pte") == digits_int8.program.read_bytes()
    starts = [start for name, start, _ in where(apk) if name.endswith(".pte")]
    assert len(starts) == 2
    assert all(start % 4 == 0 for start in starts)  # zipalign's; an app maps from the page before
    facts = examine(apk)
    assert {"com.example.digits.Digits", "edgeq.example.DigitReader"} <= facts.classes
    assert [name for name in facts.classes if name.startswith("org.pytorch.")] == []
    assert facts.foreign == ()
    assert {"v2", "v3"} <= set(facts.schemes)
    assert facts.badging["launchable-activity"].startswith("name='edgeq.example.DigitsActivity'")
    assert "application-debuggable" not in facts.badging


def test_the_class_has_the_typed_calls_that_the_example_uses(aar, tmp_path):
    with zipfile.ZipFile(aar) as archive:
        archive.extract("classes.jar", tmp_path)
    command = ["javap", "-cp", str(tmp_path / "classes.jar"), "com.example.digits.Digits"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for member in (
        "java.nio.FloatBuffer prepareImages(float[])",
        "java.util.List<java.lang.String> labelsOutput()",
        "java.io.File load(android.content.Context) throws java.io.IOException",
        "com.example.digits.Digits$Tensor INPUT_IMAGES",
    ):
        assert member in text
