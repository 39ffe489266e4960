import zipfile

import pytest

from edgeq.errors import BuildError, HostError
from edgeq.runner import build, sdk

VERSION = "1.5.1"


def write_wheel(path, *, version=VERSION, without=(), extra=()):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"executorch-{version}.dist-info/METADATA", f"Name: executorch\nVersion: {version}\n"
        )
        archive.writestr(f"executorch-{version}.dist-info/licenses/LICENSE", "text")
        archive.writestr("executorch/include/executorch/a.h", "int a;")
        archive.writestr("executorch/exir/program.py", "import torch")
        for name in sdk.RUNTIME_LIBRARIES:
            if name not in without:
                archive.writestr(f"executorch/lib/{name}", name)
        for name in extra:
            archive.writestr(name, "bad")
    return path


def test_sdk_holds_headers_libraries_and_licence_only(tmp_path):
    sdk.unpack_sdk(write_wheel(tmp_path / "w.whl"), tmp_path / "sdk", VERSION)
    files = {
        str(path.relative_to(tmp_path / "sdk")) for path in (tmp_path / "sdk").rglob("*") if path.is_file()
    }
    assert "executorch/include/executorch/a.h" in files
    assert f"executorch-{VERSION}.dist-info/licenses/LICENSE" in files
    assert not any(name.endswith(".py") for name in files)


@pytest.mark.parametrize(
    "name", ["executorch/include/../../../evil.h", "executorch/lib/../../evil", "executorch/lib/a\\..\\b"]
)
def test_wheel_that_reaches_out_of_its_folder_is_refused(tmp_path, name):
    wheel = write_wheel(tmp_path / "w.whl", extra=[name])
    with pytest.raises(BuildError, match="outside"):
        sdk.unpack_sdk(wheel, tmp_path / "deep" / "sdk", VERSION)
    assert not list(tmp_path.rglob("evil*"))


def test_wheel_of_another_version_is_refused(tmp_path):
    wheel = write_wheel(tmp_path / "w.whl", version="1.4.0")
    with pytest.raises(BuildError, match=r"holds executorch 1\.4\.0, not 1\.5\.1"):
        sdk.unpack_sdk(wheel, tmp_path / "sdk", VERSION)


def test_wheel_without_the_libraries_is_refused_by_name(tmp_path):
    wheel = write_wheel(tmp_path / "w.whl", without=["libexecutorch_etdump.so"])
    with pytest.raises(BuildError, match=r"libexecutorch_etdump\.so missing"):
        sdk.unpack_sdk(wheel, tmp_path / "sdk", VERSION)


def test_file_that_is_no_wheel_is_refused(tmp_path):
    (tmp_path / "w.whl").write_bytes(b"<html>")
    with pytest.raises(BuildError, match="cannot unpack"):
        sdk.unpack_sdk(tmp_path / "w.whl", tmp_path / "sdk", VERSION)


@pytest.mark.parametrize(
    ("text", "release"),
    [("1.5.1", "1.5.1"), ("1.5.1+cpu", "1.5.1"), ("1.6.0.dev20260101+cpu", "1.6.0.dev20260101")],
)
def test_local_part_of_a_version_is_dropped(text, release):
    assert sdk.public_version(text) == release


@pytest.mark.parametrize("text", ["", "latest", "1.5.1; rm", "--index-url", "1.5.1 "])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(HostError, match="no ExecuTorch version"):
        build.build_runner(text, "aarch64")


def test_unknown_architecture_lists_those_there_are():
    with pytest.raises(HostError) as caught:
        build.build_runner(VERSION, "riscv64")
    assert "aarch64, x86_64" in caught.value.hint


def test_missing_cross_compiler_names_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "host_arch", lambda: "x86_64")
    with pytest.raises(HostError, match="aarch64-linux-gnu-g") as caught:
        build.build_runner(VERSION, "aarch64")
    assert "g++-aarch64-linux-gnu" in caught.value.hint


def test_missing_build_tools_name_the_extra(monkeypatch, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho compiler 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(
        build.shutil, "which", lambda name, path=None: str(compiler) if "g++" in name else None
    )
    with pytest.raises(HostError, match="cmake is not installed") as caught:
        build.build_runner(VERSION, build.host_arch())
    assert "edgeq[build]" in caught.value.hint


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("x: No module named pip", "has no pip"),
        (
            "WARNING: Retrying: connection broken by 'NewConnectionError: Failed to establish'\n"
            "ERROR: No matching distribution found for executorch==1.5.1",
            "no network",
        ),
        (
            "ERROR: Could not find a version that satisfies executorch==9 (from versions: 1.0, 1.5.1)\n"
            "ERROR: No matching distribution found for executorch==9",
            "pip sees 1.0, 1.5.1",
        ),
    ],
)
def test_failed_download_says_why(monkeypatch, tmp_path, output, message):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    monkeypatch.setattr(sdk, "_pip_download", lambda *_: output)
    with pytest.raises(HostError, match=message):
        sdk.fetch_sdk(VERSION, "aarch64")


def test_missing_json_header_names_its_package(tmp_path):
    error = build._build_error("CMake Error: Could not find NLOHMANN_PARENT using", tmp_path / "log")
    assert isinstance(error, HostError)
    assert "nlohmann-json3-dev" in error.hint
