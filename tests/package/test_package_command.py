"""`edgeq package` as a user meets it: exit codes, messages, and nothing half-written."""

import shutil

import pytest
from made import change_manifest, make_folder, make_key, run_of

from edgeq.artifact import load_artifact
from edgeq.results.records import encode_report
from edgeq.results.store import Store


def refused(answer, *words, code=2):
    assert answer.returncode == code, answer
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in answer.stderr


def report(path, *folders):
    path.write_bytes(encode_report([run_of(folder) for folder in folders]))
    return path


def test_an_artifact_becomes_a_bundle_and_comes_back(edgeq, int8, tmp_path):
    out = tmp_path / "new" / "digits.zip"
    made = edgeq(
        "package", int8, "--as", "bundle", "--out", out, "--report", report(tmp_path / "r.json", int8)
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, f"{out}\n", "")
    verified = edgeq("package", "verify", out)
    assert verified.returncode == 0
    assert "bundle of digits" in verified.stdout
    assert "not signed: anyone could have made it" in verified.stdout
    back = edgeq("package", "unpack", out, "--out", tmp_path / "back")
    assert back.returncode == 0
    assert load_artifact(tmp_path / "back" / "int8").info == load_artifact(int8).info
    assert edgeq("inspect", tmp_path / "back" / "int8").returncode == 0


def test_a_changed_bundle_is_a_gate_that_says_no(edgeq, int8, tmp_path):
    from edgeq.package.archive import read_zip, write_zip

    out = tmp_path / "digits.zip"
    edgeq("package", int8, "--as", "bundle", "--out", out, "--allow-unmeasured")
    out.write_bytes(write_zip({**read_zip(out), "MODEL_CARD.md": b"It is perfect."}))
    refused(edgeq("package", "verify", out), "MODEL_CARD.md was changed", code=1)


def test_runs_come_from_the_store_by_the_programs_hash(edgeq, int8, fp32, tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        store.add(run_of(int8))
    out = tmp_path / "a.zip"
    assert edgeq("package", int8, "--as", "bundle", "--out", out).returncode == 0
    refused(
        edgeq("package", fp32, "--as", "bundle", "--out", tmp_path / "b.zip"),
        "no run of this program",
        code=1,
    )
    assert not (tmp_path / "b.zip").exists()


def test_what_is_let_through_is_said_aloud(edgeq, int8, tmp_path):
    out = tmp_path / "a.zip"
    answer = edgeq("package", int8, "--as", "bundle", "--out", out, "--allow-unmeasured")
    assert answer.returncode == 0
    assert "not as measured: digits.int8: no run of this program" in answer.stderr


def test_artifacts_become_a_library_that_gradle_can_name(edgeq, int8, fp32, tmp_path):
    out, runs = tmp_path / "lib", report(tmp_path / "r.json", int8, fp32)
    command = ("package", int8, fp32, "--as", "aar", "--out", out, "--report", runs)
    answer = edgeq(
        *command,
        "--java-package",
        "com.example.digits",
        "--needs",
        "int8=dotprod",
        "--sign",
        make_key(tmp_path / "key"),
    )
    assert answer.returncode == 0, answer.stderr
    assert 'implementation("com.example.digits:digits:1.0.0")' in answer.stdout
    assert f'url = uri("{out}")' in answer.stdout
    aar = out / "com/example/digits/digits/1.0.0/digits-1.0.0.aar"
    assert answer.stdout.startswith(f"{aar}\n")
    verified = edgeq("package", "verify", aar, "--key", tmp_path / "key.pub")
    assert verified.returncode == 0
    assert "signed by SHA256:" in verified.stdout


AAR = ("--as", "aar", "--allow-unmeasured")
MINE = ("--java-package", "com.example.x")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (AAR, "--java-package"),
        ((*AAR, "--java-package", "com.example.class"), "no Java package"),
        ((*AAR, *MINE, "--java-class", "a b"), "no Java class name"),
        ((*AAR, *MINE, "--java-class", "Context"), "cannot be called Context"),
        ((*AAR, *MINE, "--version", "1/2"), "no release version"),
        ((*AAR, *MINE, "--version", "1-SNAPSHOT"), "no release version"),
        ((*AAR, *MINE, "--sign", "/none"), "cannot read the key /none"),
        ((*AAR, *MINE, "--facts", "/none"), "cannot read /none"),
        (("--as", "bundle", *MINE), "are for --as aar"),
        (("--as", "bundle", "--licence", "/none"), "cannot read /none"),
        (("--as", "bundle", "--report", "/none"), "cannot read /none"),
        (("--as", "bundle", "--store", "/none"), "/none"),
        (("--as", "apk"), "apk"),
        ((), "--as"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(edgeq, int8, tmp_path, options, words):
    before = sorted(tmp_path.rglob("*"))
    refused(edgeq("package", int8, "--out", tmp_path / "out", *options), words)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("form", ["bundle", "aar"])
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_target_that_exists_is_left_alone(edgeq, int8, tmp_path, form, kind):
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    elif kind == "folder":
        out.mkdir()
    else:
        out.symlink_to(tmp_path / "nowhere")
    refused(
        edgeq(
            "package", int8, "--as", form, "--out", out, "--allow-unmeasured", *MINE[: 2 * (form == "aar")]
        ),
        "exists",
    )
    assert not (tmp_path / "nowhere").exists()
    assert kind != "file" or out.read_text() == "mine"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"schema": 99}, "schema 99; this edgeq reads"),
        ({"name": "../../digits"}, "'../../digits' cannot be the name of a file"),
        ({"name": "a/b"}, "cannot be the name of a file"),
        ({"name": "a\\b"}, "cannot be the name of a file"),
        ({"name": ".hidden"}, "cannot be the name of a file"),
        ({"name": "a\n"}, "cannot be the name of a file"),
        ({"name": ""}, "cannot be the name of a file"),
        ({"recipe": {"name": "../int8"}}, "recipe name '../int8'"),
        ({"program_sha256": "00" * 32}, "differs from the hash"),
    ],
)
def test_an_artifact_that_cannot_be_packaged_is_refused(edgeq, int8, tmp_path, keys, words):
    change_manifest(int8, **keys)
    out = tmp_path / "out"
    refused(edgeq("package", int8, "--as", "bundle", "--out", out, "--allow-unmeasured"), words)
    assert not out.exists()


def test_a_version_of_the_runtime_that_is_markup_is_refused(edgeq, int8, tmp_path):
    change_manifest(int8, versions={"executorch": "1</version>"})
    refused(edgeq("package", int8, "--out", tmp_path / "out", *AAR, *MINE), "no release version")


def test_things_that_are_no_variants_of_one_model_are_refused(edgeq, int8, tmp_path):
    other = make_folder(tmp_path / "other", name="other", recipe="fp32")
    out = ("--as", "bundle", "--out", tmp_path / "out", "--allow-unmeasured")
    refused(edgeq("package", int8, other, *out), "differs from", "in its name")
    shutil.copytree(int8, tmp_path / "copy")
    refused(edgeq("package", int8, tmp_path / "copy", *out), "'int8' is there twice")
    program = tmp_path / "digits.pte"
    program.write_bytes(b"x")
    refused(edgeq("package", program, *out), "has no manifest")
    refused(edgeq("package", tmp_path / "none", *out), "no artifact at")


def test_a_machine_without_java_is_told_what_to_do(edgeq, int8, tmp_path):
    answer = edgeq("package", int8, "--out", tmp_path / "out", *AAR, *MINE, PATH="/nowhere")
    refused(answer, "no javac", "openjdk-17-jdk-headless")
    assert not (tmp_path / "out").exists()


def test_help_shows_the_commands_and_the_options(edgeq):
    for arguments, words in (((), "verify"), (("make",), "--allow-unmeasured")):
        answer = edgeq("package", *arguments, "--help")
        assert answer.returncode == 0
        assert words in answer.stdout
