"""Profiles of the user's own: where they lie, what they extend, and that nothing is shadowed unseen."""

import pytest

from edgeq.devices.layers import config_root, lay_over, list_own
from edgeq.devices.profile import EmulatorSpec, SshSpec, list_profiles, load_profile
from edgeq.errors import ProfileError

OWN = 'schema = 1\nextends = "raspberry-pi-5"\n[link]\nhost = "10.0.0.7"\nuser = "pi"\n'


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes files into the user's folder."""
    monkeypatch.setenv("EDGEQ_CONFIG", str(tmp_path))
    (tmp_path / "devices").mkdir()

    def write(name, text):
        (tmp_path / "devices" / f"{name}.toml").write_text(text)

    return write


def test_settings_lie_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("EDGEQ_CONFIG", "/a")
    assert str(config_root()) == "/a"
    monkeypatch.delenv("EDGEQ_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/b")
    assert str(config_root()) == "/b/edgeq"
    monkeypatch.setenv("HOME", "/home/x")
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", unset)
        assert str(config_root()) == "/home/x/.config/edgeq"


def test_missing_folder_is_an_empty_one(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_CONFIG", str(tmp_path / "none"))
    assert list_own() == {}
    assert "virt-pi5" in list_profiles()


def test_own_profile_has_what_it_says_and_the_rest_of_the_one_below(own):
    own("my-pi", OWN)
    mine, shipped = load_profile("my-pi"), load_profile("raspberry-pi-5")
    assert mine.name == "my-pi"
    assert mine.link == SshSpec(host="10.0.0.7", user="pi")
    assert (mine.cores, mine.sensors, mine.description) == (
        shipped.cores,
        shipped.sensors,
        shipped.description,
    )
    assert "my-pi" in list_profiles()


def test_chain_of_profiles_is_followed_and_lists_are_replaced_as_a_whole(own):
    own("my-pi", OWN)
    own("lab", 'schema = 1\nextends = "my-pi"\nsensors = []\n[link]\nport = 2222\n[limits]\nfree_disk = 5\n')
    lab = load_profile("lab")
    assert lab.link == SshSpec(host="10.0.0.7", user="pi", port=2222)
    assert lab.sensors == ()
    assert lab.limits.free_disk == 5
    assert lab.limits.free_memory == load_profile("my-pi").limits.free_memory


def test_another_kind_of_link_replaces_the_whole_one(own):
    own("mine", 'schema = 1\nextends = "raspberry-pi-5"\n[link]\ntype = "emulator"\ncpu = "cortex-a76"\n')
    assert load_profile("mine").link == EmulatorSpec(cpu="cortex-a76")


def test_profile_file_by_path_may_extend_too(own, tmp_path):
    own("my-pi", OWN)
    path = tmp_path / "there.toml"
    path.write_text('schema = 1\nextends = "my-pi"\ndescription = "there"\n')
    assert load_profile(str(path)).link == SshSpec(host="10.0.0.7", user="pi")


def test_circle_is_refused_and_drawn(own):
    own("a", 'schema = 1\nextends = "b"\n')
    own("b", 'schema = 1\nextends = "a"\n')
    with pytest.raises(ProfileError, match="extends itself: a -> b -> a"):
        load_profile("a")


def test_what_is_extended_must_exist(own):
    own("mine", 'schema = 1\nextends = "raspberry-pi-7"\n')
    with pytest.raises(ProfileError, match=r"mine\.toml: extends: .*'raspberry-pi-7'.*raspberry-pi-5"):
        load_profile("mine")
    own("mine", "schema = 1\nextends = 7\n")
    with pytest.raises(ProfileError, match=r"mine\.toml: .*\$\.extends"):
        load_profile("mine")


def test_error_below_names_the_file_below(own):
    own("base", OWN.replace("user", "usr"))
    own("top", 'schema = 1\nextends = "base"\n')
    with pytest.raises(ProfileError, match=r"base\.toml: .*usr"):
        load_profile("top")


def test_error_above_names_the_file_above(own):
    own("top", OWN.replace('user = "pi"', "user = 5"))
    with pytest.raises(ProfileError, match=r"top\.toml: .*\$\.link\.user"):
        load_profile("top")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(OWN.replace("schema = 1\n", ""), "schema"), (f'name = "x"\n{OWN}', "name")],
)
def test_each_file_says_its_schema_and_none_its_name(own, text, complaint):
    own("mine", text)
    with pytest.raises(ProfileError, match=rf"mine\.toml: .*`{complaint}`"):
        load_profile("mine")


def test_name_of_a_shipped_profile_is_no_name_for_another(own):
    own("raspberry-pi-5", OWN.replace("raspberry-pi-5", "raspberry-pi-4"))
    with pytest.raises(ProfileError, match=r"devices/raspberry-pi-5\.toml: .*edgeq ships") as caught:
        load_profile("raspberry-pi-5")
    assert "rename" in caught.value.hint


@pytest.mark.parametrize(
    ("base", "top", "merged"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"t": {"a": 1}}, {"t": {"b": 2}}, {"t": {"a": 1, "b": 2}}),
        ({"t": [1, 2]}, {"t": [3]}, {"t": [3]}),
        ({"t": {"type": "x", "a": 1}}, {"t": {"type": "y"}}, {"t": {"type": "y"}}),
        ({"t": {"type": "x", "a": 1}}, {"t": {"type": "x", "a": 2}}, {"t": {"type": "x", "a": 2}}),
        ({"t": 1}, {"t": {"a": 1}}, {"t": {"a": 1}}),
    ],
)
def test_one_layer_lies_over_another(base, top, merged):
    assert lay_over(base, top) == merged
