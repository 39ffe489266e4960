"""The app as it is built here: compiled against Android and ExecuTorch, packed, signed; not run."""

import json
import shutil
import subprocess
import zipfile

import pytest
from desktop_java import JUNIT, MAIN, ROOT, RUNNER, TESTS, compile_java, run_java
from offline.apk import App, build_apk, example
from offline.check import examine
from offline.parts import find_parts

from edgeq.devices.adb.phone import MIN_SDK
from edgeq.errors import HostError, InputError

EXECUTORCH = "org.pytorch."


@pytest.fixture(scope="module")
def parts():
    return find_parts()


@pytest.fixture(scope="module")
def apk(parts):
    return build_apk(App("edgeq.runner", RUNNER / "src/main", debuggable=True), parts)


@pytest.fixture(scope="module")
def facts(apk):
    return examine(apk)


def test_the_app_holds_its_classes_and_facts_and_no_runtime(apk, facts):
    with zipfile.ZipFile(apk) as archive:
        names = [name for name in archive.namelist() if not name.startswith("META-INF/")]
        told = json.loads(archive.read("assets/edgeq-runner.json"))
    assert sorted(names) == ["AndroidManifest.xml", "assets/edgeq-runner.json", "classes.dex"]
    assert set(told) == {"executorch", "schema"}
    sources = (RUNNER / "src/main/java").rglob("*.java")
    wanted = {
        ".".join(path.relative_to(RUNNER / "src/main/java").with_suffix("").parts)
        for path in sources
        if path.stem != "package-info"
    }
    assert wanted <= facts.classes
    assert [name for name in facts.classes if not name.startswith("edgeq.runner.")] == []


def test_the_app_verifies_by_the_signature_schemes_of_todays_android(facts):
    assert {"v2", "v3"} <= set(facts.schemes)


def test_the_manifest_offers_the_instrumentation_and_lets_run_as_in(facts):
    assert facts.badging["package"].startswith("name='edgeq.runner'")
    assert "application-debuggable" in facts.badging
    assert int(facts.badging["sdkVersion"]) == MIN_SDK
    assert "uses-permission" not in facts.badging
    assert 'name(0x01010003)="edgeq.runner.app.RunnerInstrumentation"' in facts.manifest
    assert 'targetPackage(0x01010021)="edgeq.runner"' in facts.manifest


def test_the_dex_calls_nothing_that_android_does_not_have(facts):
    assert facts.foreign == ()


def test_a_lambda_would_be_noticed(parts, tmp_path):
    main = tmp_path / "main"
    (main / "java").mkdir(parents=True)
    shutil.copy(RUNNER / "src/main/AndroidManifest.xml", main)
    (main / "java/Lambda.java").write_text("final class Lambda { Runnable made = () -> {}; }\n")
    assert "invoke-custom" in examine(build_apk(App("edgeq.lambda", main), parts)).foreign


def test_a_source_that_android_does_not_have_a_class_for_is_refused_with_javacs_words(parts, tmp_path):
    main = tmp_path / "main"
    (main / "java").mkdir(parents=True)
    shutil.copy(RUNNER / "src/main/AndroidManifest.xml", main)
    (main / "java/Wrong.java").write_text("final class Wrong { android.os.NoSuchThing made; }\n")
    with pytest.raises(HostError, match="NoSuchThing"):
        build_apk(App("edgeq.wrong", main), parts)


def test_a_changed_app_does_not_verify(apk, tmp_path):
    changed = tmp_path / "changed.apk"
    data = bytearray(apk.read_bytes())
    with zipfile.ZipFile(apk) as archive:
        data[archive.getinfo("classes.dex").header_offset + 60] ^= 1
    changed.write_bytes(data)
    with pytest.raises(HostError, match="DOES NOT VERIFY"):
        examine(changed)


def test_tensors_go_through_executorchs_own_classes_to_the_bit(parts, tmp_path):
    needed = [*MAIN.glob("*.java"), *(MAIN / f"app/{name}.java" for name in ("Tensors", "ErrorNames"))]
    needed += [MAIN / "app/ExecuTorchProgram.java", TESTS / "app/TensorsTest.java"]
    path = f"{JUNIT}:{parts.executorch}:{parts.android}"  # Android has a stub of JUnit too
    compile_java(tmp_path, needed, path)
    done = run_java(f"{tmp_path}:{path}", "org.junit.runner.JUnitCore", "edgeq.runner.app.TensorsTest")
    assert "OK (3 tests)" in done.stdout, done.stdout


def test_the_api_that_is_compiled_against_is_executorchs_own(parts):
    command = ["javap", "-cp", str(parts.executorch), f"{EXECUTORCH}executorch.Module"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "load(java.lang.String, int, int)" in text
    assert "EValue[] execute(java.lang.String" in text
    assert not list(ROOT.glob("android_runner/**/*.jar"))


@pytest.mark.parametrize("data", [b"no zip", None], ids=["no zip", "no classes"])
def test_a_file_that_is_no_library_is_refused(tmp_path, parts, data):
    library = tmp_path / "a.aar"
    if data is None:
        zipfile.ZipFile(library, "w").close()
    else:
        library.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.aar is no Android library"):
        build_apk(example(library), parts)
