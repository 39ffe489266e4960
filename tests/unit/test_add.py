"""A profile made of a device's answers: what is written, and what is refused."""

import tomllib
from pathlib import Path

import pytest

from edgeq.devices.add import check_name, describe, parse_address, write_profile
from edgeq.devices.probe import parse_facts
from edgeq.devices.profile import AdbSpec, SshSpec, load_profile
from edgeq.errors import ProfileError

FOLDER = Path(__file__).parents[1] / "fixtures" / "devices"


def facts_of(name, **changes):
    return parse_facts(tomllib.loads((FOLDER / f"{name}.toml").read_text())["answers"] | changes)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_CONFIG", str(tmp_path))
    return tmp_path / "devices"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pi@192.168.1.20", SshSpec(host="192.168.1.20", user="pi")),
        ("board", SshSpec(host="board")),
        ("a@b.local:2222", SshSpec(host="b.local", user="a", port=2222)),
        ("root@[fe80::1%eth0]:22", SshSpec(host="fe80::1%eth0", user="root", port=22)),
    ],
)
def test_address_is_taken_apart(text, spec):
    assert parse_address(text) == spec


@pytest.mark.parametrize("text", ["", "a b", "a@b@c", "x:0", "x:70000", "x:y", "-oProxyCommand=x", "fe80::1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ProfileError, match="no address"):
        parse_address(text)


def test_profile_of_a_pi_extends_the_shipped_one_and_is_read_back(folder):
    link = SshSpec(host="10.0.0.7", user="pi")
    path = check_name("my-pi")
    written = write_profile(path, describe(link, facts_of("raspberry-pi-5"), "raspberry-pi-5"))
    assert path == folder / "my-pi.toml"
    assert [each.name for each in folder.iterdir()] == ["my-pi.toml"]
    profile = load_profile("my-pi")
    assert profile == written
    assert profile.link == link
    assert profile.description == "Raspberry Pi 5 Model B Rev 1.0, 4 x Cortex-A76, up to 2.4 GHz, over SSH"
    assert profile.sensors == load_profile("raspberry-pi-5").sensors
    assert "asimddp" in profile.features


def test_clusters_of_a_phone_are_written():
    keys = describe(AdbSpec(serial="0123"), facts_of("phone-three-clusters"), "linux-aarch64")
    profile = write_profile(check_name("phone"), keys)
    assert [(each.name, len(each.cpus)) for each in profile.cores] == [
        ("Cortex-A510", 4), ("Cortex-A715", 4), ("Cortex-X3", 1)
    ]  # fmt: skip
    assert profile.cores[-1].features == ("sve", "sve2")
    assert profile.link == AdbSpec(serial="0123")


def test_hostile_model_stays_text(folder):
    model = 'evil"""\n[link]\ntype = "local"\n'
    facts = facts_of("raspberry-pi-5", model=model, cpuinfo="processor: 0\nmodel name: x\n\n")
    profile = write_profile(check_name("bad"), describe(SshSpec(host="h"), facts, "linux-aarch64"))
    assert profile.link == SshSpec(host="h")
    assert profile.description.startswith('evil"""')
    assert profile.cores == ()


def test_profile_that_is_there_is_left_alone(folder):
    keys = describe(SshSpec(host="h"), facts_of("raspberry-pi-5"), "raspberry-pi-5")
    path = check_name("my-pi")
    write_profile(path, keys)
    before = path.read_bytes()
    for again in (lambda: check_name("my-pi"), lambda: write_profile(path, keys)):
        with pytest.raises(ProfileError, match=r"my-pi\.toml already"):
            again()
    assert path.read_bytes() == before


def test_keys_that_make_no_profile_are_not_written(folder):
    with pytest.raises(ProfileError, match="colour"):
        write_profile(check_name("my-pi"), {"schema": 1, "extends": "raspberry-pi-5", "colour": 1})
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", ".x", "x.toml", "-x", "é"])
def test_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ProfileError, match="no name"):
        check_name(name)


def test_name_of_a_shipped_profile_is_refused():
    with pytest.raises(ProfileError, match="ships"):
        check_name("raspberry-pi-5")
