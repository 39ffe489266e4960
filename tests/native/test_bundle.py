import re
import subprocess
from pathlib import Path

import pytest

from edgeq.runner import build
from edgeq.runner.build import build_runner
from edgeq.runner.sdk import RUNTIME_LIBRARIES, fetch_sdk

pytestmark = pytest.mark.native

# What every Linux device has; anything else must come with the bundle.
SYSTEM_LIBRARIES = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1"}


@pytest.fixture(scope="module")
def cross(executorch_version):
    return build_runner(executorch_version, "aarch64")


def readelf(option, path):
    return subprocess.run(
        ["readelf", option, "--wide", path], capture_output=True, text=True, check=True
    ).stdout


def test_cross_build_is_an_aarch64_program_that_needs_exactly_its_bundle(cross):
    assert re.search(r"Machine:\s+AArch64", readelf("--file-header", cross.runner))
    dynamic = readelf("--dynamic", cross.runner)
    assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)) == SYSTEM_LIBRARIES | set(RUNTIME_LIBRARIES)
    assert re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic) == ["$ORIGIN/lib"]
    assert tuple(path.name for path in cross.libraries) == RUNTIME_LIBRARIES
    for library in cross.libraries:
        assert library.parent == cross.runner.parent / "lib"
        assert re.search(r"Machine:\s+AArch64", readelf("--file-header", library))


def test_cross_build_loads_on_the_glibc_of_the_sdk(cross):
    """2.28 is what the SDK's wheel (manylinux_2_28) asks for; the runner shall ask for no more."""
    assert tuple(map(int, cross.glibc.split("."))) <= (2, 28)
    assert "GLIBCXX_3.4.26" not in readelf("--version-info", cross.runner)


def test_second_build_is_the_first_one(cross, executorch_version, monkeypatch):
    def refuse(*_):
        raise AssertionError("built again")

    monkeypatch.setattr(build, "_run", refuse)
    assert build_runner(executorch_version, "aarch64") == cross


def test_sources_that_do_not_compile_end_with_the_compilers_words_and_a_log(
    executorch_version, monkeypatch, tmp_path
):
    sources = tmp_path / "native"
    sources.mkdir()
    for path in build.SOURCES.iterdir():
        (sources / path.name).write_text(path.read_text())
        if path.suffix == ".cpp":
            (sources / path.name).write_text("#error broken on purpose\n")
    monkeypatch.setattr(build, "SOURCES", sources)
    with pytest.raises(build.BuildError, match="#error broken on purpose") as caught:
        build_runner(executorch_version, build.host_arch())
    log = re.search(r"in (/\S+\.log)", caught.value.hint)[1]
    assert "broken on purpose" in Path(log).read_text()


def test_sdk_of_a_release_that_does_not_exist_says_which_do(executorch_version):
    with pytest.raises(build.HostError, match=executorch_version):
        fetch_sdk("1.99.99", "aarch64")
