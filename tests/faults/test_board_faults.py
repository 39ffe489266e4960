"""What a machine may lack for an emulated board, and what QEMU may refuse."""

import shutil
from pathlib import Path

import pytest

from edgeq.devices.board.machine import open_board
from edgeq.devices.board.packages import Apt
from edgeq.devices.profile import BoardSpec
from edgeq.errors import DeviceError, HostError


def test_missing_qemu_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(HostError, match="qemu-system-aarch64") as caught,
        open_board(BoardSpec(cpu="cortex-a76")),
    ):
        pass
    assert "apt-get install --no-install-recommends qemu-system-arm" in caught.value.hint


def test_machine_without_apt_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="no apt-get") as caught:
        Apt(tmp_path / "apt", "arm64").update()
    assert "Debian" in caught.value.hint


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="not a Debian machine")
def test_sources_without_the_packages_give_apts_own_words(monkeypatch, tmp_path):
    empty = tmp_path / "apt.conf"
    empty.write_text(f'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "{tmp_path}/none";\n')
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("APT_CONFIG", str(empty))
    apt = Apt(tmp_path / "apt", "arm64")
    apt.update()
    with pytest.raises(HostError, match="Unable to locate package busybox-static") as caught:
        apt.resolve(["busybox-static"])
    assert "arm64" in caught.value.hint


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="not a Debian machine")
def test_unsigned_source_is_refused(monkeypatch, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "Packages").write_text(
        "Package: thing\nVersion: 1\nArchitecture: arm64\nFilename: ./thing.deb\n\n"
    )
    (tmp_path / "list").write_text(f"deb file:{store} ./\n")
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::Etc::sourcelist "{tmp_path}/list"; Dir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(config))
    with pytest.raises(HostError, match=r"not signed|does not have a Release file"):
        Apt(tmp_path / "apt", "arm64").update()


@pytest.mark.emulated
def test_core_that_qemu_does_not_know_is_a_stable_error():
    with (
        pytest.raises(DeviceError, match="no-such-core") as caught,
        open_board(BoardSpec(cpu="no-such-core")),
    ):
        pass
    assert "-cpu help" in caught.value.hint


@pytest.mark.emulated
def test_preload_that_is_missing_stops_before_the_boot(tmp_path):
    missing = {"/var/tmp/edgeq/x": Path(tmp_path / "missing")}
    with pytest.raises(FileNotFoundError), open_board(BoardSpec(cpu="cortex-a76"), preload=missing):
        pass
