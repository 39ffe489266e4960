import pytest
from click.testing import CliRunner

from edgeq.cli import doctor


@pytest.mark.parametrize("place", [0, 1])
def test_header_is_found_in_each_folder_in_which_the_build_looks(tmp_path, monkeypatch, place):
    folders = (tmp_path / "local", tmp_path / "system")
    header = folders[place] / "nlohmann/json.hpp"
    header.parent.mkdir(parents=True)
    header.touch()
    monkeypatch.setattr(doctor, "_HEADERS", folders)
    assert str(header) in CliRunner().invoke(doctor.doctor).output


def test_header_that_is_nowhere_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_HEADERS", (tmp_path,))
    lines = CliRunner().invoke(doctor.doctor).output.splitlines()
    assert [line for line in lines if line.startswith("missing nlohmann-json")]


def test_folders_are_those_of_the_build():
    from edgeq.runner.build import SOURCES

    places = " ".join(map(str, doctor._HEADERS))
    assert f"nlohmann/json.hpp PATHS {places}\n" in (SOURCES / "CMakeLists.txt").read_text()
