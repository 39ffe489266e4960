"""How a profile and the user's ssh_config together say whom to reach."""

from pathlib import Path

import pytest

from edgeq.devices.profile import SshSpec
from edgeq.devices.ssh.config import parse_jump, resolve
from edgeq.errors import HostError, ProfileError


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "config").write_text(text)
        return str(tmp_path / "config")

    return write


def test_alias_brings_what_the_profile_leaves_out(config, tmp_path):
    file = config(
        "Host pi\n HostName 10.0.0.5\n Port 2200\n User bob\n IdentityFile %d/.ssh/%h_key\n"
        " IdentityFile ~/two\n"
        f" UserKnownHostsFile {tmp_path}/known\n HostKeyAlias board-7\n IdentitiesOnly yes\n"
    )
    target = resolve(SshSpec(host="pi", config=file), "kitchen")
    assert (target.host, target.port, target.user, target.name) == ("10.0.0.5", 2200, "bob", "kitchen")
    assert target.keys == (Path("~/.ssh/10.0.0.5_key").expanduser(), Path("~/two").expanduser())
    assert target.known_files[0] == tmp_path / "known"
    assert target.known_as == ("board-7",)
    assert target.only_keys
    assert target.through is None


def test_profile_goes_before_ssh_config(config, tmp_path):
    file = config("Host pi\n HostName 10.0.0.5\n Port 2200\n User bob\n ProxyJump far\n IdentityFile ~/two\n")
    spec = SshSpec(
        host="pi", config=file, port=22, user="ann", key="~/mine", known_hosts="~/known", jump=("near:2222",)
    )
    target = resolve(spec)
    assert (target.port, target.user) == (22, "ann")
    assert target.key == Path("~/mine").expanduser()
    assert target.known_files[0] == Path("~/known").expanduser()
    assert [(hop.host, hop.port) for hop in target.hops] == [("near", 2222), ("10.0.0.5", 22)]


def test_jump_hosts_come_in_order_each_with_its_own_settings(config):
    file = config(
        "Host pi\n ProxyJump ann@one:2201,two\n IdentityFile ~/pi\n"
        "Host one\n HostName 10.0.0.1\n IdentityFile ~/one\n ProxyJump zero\n"
        "Host two\n HostName 10.0.0.2\n User tom\n ProxyJump elsewhere\n"
    )
    target = resolve(SshSpec(host="pi", config=file, key="~/mine"))
    # As with `ssh -J one,two`: ssh_config says how to reach the first one, the second comes after it.
    assert [(hop.host, hop.port, hop.is_jump) for hop in target.hops] == [
        ("zero", 22, True),
        ("10.0.0.1", 2201, True),
        ("10.0.0.2", 22, True),
        ("pi", 22, False),
    ]
    assert [hop.user for hop in target.hops[1:3]] == ["ann", "tom"]
    assert target.hops[1].keys == (Path("~/one").expanduser(),)
    assert [hop.key for hop in target.hops] == [None, None, None, Path("~/mine").expanduser()]


def test_included_files_and_matches_count(config, tmp_path):
    (tmp_path / "more").write_text("Host pi\n HostName 10.9.9.9\n")
    file = config(f'Include {tmp_path}/more\nMatch host 10.9.9.9 exec "test -d {tmp_path}"\n Port 2299\n')
    target = resolve(SshSpec(host="pi", config=file))
    assert (target.host, target.port) == ("10.9.9.9", 2299)


def test_checking_that_is_switched_off_stays_on(config):
    file = config(
        "Host *\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n GlobalKnownHostsFile none\n"
    )
    target = resolve(SshSpec(host="pi", config=file))
    assert target.known_files == (Path("~/.ssh/known_hosts").expanduser(),)


def test_proxy_command_is_refused_unless_the_profile_has_another_way(config, tmp_path):
    file = config(f"Host pi\n ProxyCommand touch {tmp_path}/ran\n")
    with pytest.raises(ProfileError, match="ProxyCommand") as caught:
        resolve(SshSpec(host="pi", config=file))
    assert "ProxyJump" in caught.value.hint
    assert [hop.host for hop in resolve(SshSpec(host="pi", config=file, jump=("gw",))).hops] == ["gw", "pi"]
    assert not (tmp_path / "ran").exists()


def test_jump_hosts_in_a_circle_are_an_error(config):
    file = config("Host one\n ProxyJump two\nHost two\n ProxyJump one\n")
    with pytest.raises(ProfileError, match="more than 8 jump hosts"):
        resolve(SshSpec(host="one", config=file))


def test_damaged_ssh_config_is_quoted(config):
    with pytest.raises(ProfileError, match=r"config.* line 2.*[Pp]ort"):
        resolve(SshSpec(host="pi", config=config("Host pi\n Port many\n")))


def test_missing_ssh_config_is_named(tmp_path):
    with pytest.raises(ProfileError, match="nowhere"):
        resolve(SshSpec(host="pi", config=str(tmp_path / "nowhere")))


def test_token_that_only_ssh_knows_is_named(config):
    with pytest.raises(ProfileError, match="%C"):
        resolve(SshSpec(host="pi", config=config("IdentityFile ~/%C\n")))


@pytest.mark.parametrize("host", ["pi; touch {0}/ran", "$(touch {0}/ran)", "-oProxyCommand=touch {0}/ran"])
def test_host_name_is_never_a_command_or_an_option(config, tmp_path, host):
    with pytest.raises(ProfileError, match="does not say how to reach"):
        resolve(SshSpec(host=host.format(tmp_path), config=config("")))
    assert not (tmp_path / "ran").exists()


def test_without_ssh_there_are_its_defaults_but_no_ssh_config(config, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    target = resolve(SshSpec(host="pi"))
    assert (target.host, target.port, target.known_files[0]) == ("pi", 22, tmp_path / ".ssh/known_hosts")
    with pytest.raises(HostError, match="needs `ssh`"):
        resolve(SshSpec(host="pi", config=config("")))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gw", ("gw", None, None)),
        ("bob@gw:2222", ("gw", 2222, "bob")),
        ("ssh://bob@gw:2222", ("gw", 2222, "bob")),
        ("bob@[fe80::1]:22", ("fe80::1", 22, "bob")),
        ("[::1]", ("::1", None, None)),
    ],
)
def test_jump_host_is_written_as_for_ssh(text, found):
    assert parse_jump(text) == found


@pytest.mark.parametrize("text", ["", "@gw", "gw:", "gw:0", "gw:99999", "a b", "bob@", "::1", "gw,gw2"])
def test_other_words_are_no_jump_host(text):
    with pytest.raises(ProfileError, match="no jump host"):
        parse_jump(text)


def test_password_of_a_jump_host_is_refused_and_not_repeated():
    with pytest.raises(ProfileError, match="the jump host gw:22 comes with a password") as caught:
        parse_jump("bob:hunter2@gw:22")
    assert "hunter2" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "silence"), [("", 60.0), ("ServerAliveInterval 5\nServerAliveCountMax 2\n", 10.0)]
)
def test_patience_with_a_silent_device_is_that_of_ssh_config(config, silence, text):
    assert resolve(SshSpec(host="pi", config=config(text))).silence == silence
