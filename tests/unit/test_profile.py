import pytest

from edgeq.devices import profile as profiles
from edgeq.devices.opening import OPENERS
from edgeq.devices.profile import BoardSpec, DeviceProfile, LocalSpec, SshSpec, load_profile
from edgeq.errors import ProfileError

GOOD = 'schema = 1\ndescription = "a board"\n[link]\ntype = "ssh"\nhost = "pi.local"\n'


@pytest.fixture
def write(tmp_path):
    def write_profile(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write_profile


@pytest.mark.parametrize("name", sorted(profiles.list_profiles()))
def test_shipped_profile_loads_under_its_name_with_sources(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.sources


@pytest.mark.parametrize(("name", "cpu"), [("virt-pi4", "cortex-a72"), ("virt-pi5", "cortex-a76")])
def test_emulated_boards_count_instructions(name, cpu):
    profile = load_profile(name)
    assert profile.link == BoardSpec(cpu=cpu)
    assert (profile.kind, profile.clock, profile.arch) == ("emulated", "instructions", "aarch64")


def test_profile_of_ones_own_is_hardware_with_a_wall_clock(write):
    profile = load_profile(write(GOOD))
    assert profile.name == "mine"
    assert profile.link == SshSpec(host="pi.local")
    assert (profile.kind, profile.clock, profile.arch) == ("hardware", "wall", None)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ProfileError, match="virt-pi4, virt-pi5"):
        load_profile("virt-pi6")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("host", "hots"), "hots"),
        (('"pi.local"', "7"), r"\$\.link\.host"),
        (('"ssh"', '"telnet"'), "telnet"),
        (("schema = 1", "schema = 2"), r"\$\.schema"),
        (('"a board"', '"a board"\npassword = "x"'), "password"),
        (('"a board"', '"a board"\nwork_folder = "relative"'), r"\$\.work_folder"),
        (('"a board"', '"a board"\nwork_folder = "/"'), r"\$\.work_folder"),
        (('host = "pi.local"', ""), "host"),
        (("schema", "schema schema"), "mine.toml"),
    ],
)
def test_wrong_profile_names_file_and_key(write, change, complaint):
    with pytest.raises(ProfileError, match=complaint) as caught:
        load_profile(write(GOOD.replace(*change)))
    assert "mine.toml" in caught.value.message


def test_missing_file_is_named():
    with pytest.raises(ProfileError, match=r"nowhere\.toml"):
        load_profile("nowhere.toml")


def test_every_kind_of_link_has_an_opener():
    kinds = DeviceProfile.__annotations__["link"]
    assert set(OPENERS) == set(kinds.__args__)


@pytest.mark.parametrize(
    ("told", "arch"), [("arm64", "aarch64"), ("AMD64", "x86_64"), ("riscv64", "riscv64")]
)
def test_this_machine_is_named_as_linux_names_it(monkeypatch, told, arch):
    monkeypatch.setattr(profiles.platform, "machine", lambda: told)
    assert DeviceProfile(schema=1, description="test", link=LocalSpec()).arch == arch
