"""Lines of known_hosts files: who vouches for which key."""

import base64
import subprocess

import pytest

from edgeq.devices.ssh.known_hosts import (
    HostKey,
    add_keys,
    drop_lines,
    host_name,
    judge,
    parse_key,
    read_known_hosts,
)
from edgeq.errors import ProfileError


def make(seed):
    name = b"ssh-ed25519"
    blob = len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + bytes([seed]) * 32
    return HostKey("ssh-ed25519", blob)


ONE, TWO = make(1), make(2)


def line(names, key):
    return f"{names} {key.kind} {base64.b64encode(key.blob).decode()}\n"


def verdict(tmp_path, text, names=("pi",), key=ONE):
    (tmp_path / "known").write_text(text)
    return judge(read_known_hosts(tmp_path / "known"), names, key)


@pytest.mark.parametrize(
    ("names", "host", "known"),
    [
        ("pi", "pi", True),
        ("pi,10.0.0.5", "10.0.0.5", True),
        ("PI", "pi", True),
        ("pi", "pi2", False),
        ("*.lab", "pi.lab", True),
        ("pi?", "pi2", True),
        ("pi?", "pi", False),
        ("*,!pi", "pi", False),
        ("!pi,*", "pi", False),
        ("!pi2,*", "pi", True),
        ("[pi]:2222", "[pi]:2222", True),
        ("[pi]:2222", "pi", False),
        ("[pi]:*", "[pi]:2222", True),
        ("p[ij]", "pi", False),
    ],
)
def test_names_and_patterns_are_those_of_openssh(tmp_path, names, host, known):
    assert verdict(tmp_path, line(names, ONE), (host,)).known is known


def test_hashed_names_are_found_and_written_as_openssh_does(tmp_path):
    file = tmp_path / "known"
    file.write_text(line("[pi]:2222", ONE))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "[pi]" not in text.split()[0]
    assert judge(read_known_hosts(file), ["[pi]:2222"], ONE).known
    assert not judge(read_known_hosts(file), ["[pi]:2223"], ONE).known
    file.write_text(add_keys(text, "gate-way", [TWO]))
    assert file.read_text().startswith(text)
    assert "gate-way" not in file.read_text()
    find = ["ssh-keygen", "-F", "gate-way", "-f", file]
    found = subprocess.run(find, check=True, capture_output=True, text=True)
    assert base64.b64encode(TWO.blob).decode() in found.stdout
    assert judge(read_known_hosts(file), ["gate-way"], TWO).known


def test_another_key_of_the_host_speaks_against_it_and_names_its_line(tmp_path):
    seen = verdict(tmp_path, "# mine\n\n" + line("other", ONE) + line("pi", TWO))
    assert not seen.known
    assert [other.number for other in seen.others] == [4]
    assert seen.others[0].place == f"{tmp_path / 'known'} line 4"


def test_any_of_a_hosts_keys_will_do(tmp_path):
    assert verdict(tmp_path, line("pi", TWO) + line("pi", ONE)).known


def test_revoked_key_is_found_also_where_another_line_has_it(tmp_path):
    seen = verdict(tmp_path, line("pi", ONE) + "@revoked " + line("*", ONE))
    assert seen.revoked is not None
    assert seen.revoked.number == 2
    assert verdict(tmp_path, "@revoked " + line("pi", TWO)).revoked is None


def test_certificate_authority_vouches_for_no_plain_key(tmp_path):
    seen = verdict(tmp_path, "@cert-authority " + line("*.lab,pi", ONE))
    assert not seen.known
    assert len(seen.authorities) == 1


def test_name_without_the_port_may_vouch_but_speaks_against_nobody(tmp_path):
    assert verdict(tmp_path, line("pi", ONE), ("[pi]:2222", "pi")).known
    assert verdict(tmp_path, line("pi", TWO), ("[pi]:2222", "pi")).others == ()


def test_missing_file_knows_nobody(tmp_path):
    assert read_known_hosts(tmp_path / "none") == []


@pytest.mark.parametrize(
    "text",
    [
        "pi ssh-ed25519 AAA\n",
        "pi ssh-ed25519\n",
        "@sudo " + line("pi", ONE),
        line("|1|AAAA|AAAA", ONE),
        line("|2|x", ONE),
        line("pi", ONE).replace("ssh-ed25519", "ssh-rsa"),
    ],
)
def test_damaged_line_is_named(tmp_path, text):
    (tmp_path / "known").write_text(line("other", TWO) + text)
    with pytest.raises(ProfileError, match=r"known: line 2: "):
        read_known_hosts(tmp_path / "known")


def test_keys_of_ssh_version_1_are_left_alone(tmp_path):
    (tmp_path / "known").write_text("pi 1024 35 1234567\n")
    assert read_known_hosts(tmp_path / "known") == []


def test_folder_is_no_file_of_known_hosts(tmp_path):
    with pytest.raises(ProfileError, match="Is a directory"):
        read_known_hosts(tmp_path)


def test_fingerprint_is_that_of_ssh_keygen(tmp_path):
    (tmp_path / "key.pub").write_text(line("", ONE).strip())
    shown = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True
    )
    assert ONE.fingerprint == shown.stdout.split()[1]
    assert parse_key((tmp_path / "key.pub").read_text() + " comment") == ONE


def test_lines_come_and_go_without_touching_the_others():
    text = "# mine\n" + line("a", ONE) + line("pi", TWO) + "\n@revoked " + line("*", TWO).rstrip()
    assert drop_lines(text, [3]) == text.replace(line("pi", TWO), "")
    assert add_keys(text, "pi", [ONE]) == text + "\n" + line("pi", ONE)
    assert add_keys("", "pi", [ONE, TWO]) == line("pi", ONE) + line("pi", TWO)


def test_host_has_its_port_in_its_name_unless_it_is_22():
    assert (host_name("Pi", 22), host_name("Pi", 2222)) == ("pi", "[pi]:2222")
