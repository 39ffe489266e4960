import base64
import stat

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeq.devices.board.keys import find_keys


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    return find_keys()


def test_keys_are_made_once(keys):
    assert keys.client_private.read_bytes() == find_keys().client_private.read_bytes()


def test_private_halves_are_for_their_owner_only(keys):
    for path in (keys.client_private, keys.host_private):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.client_private.parent.stat().st_mode) == 0o700


def test_public_halves_belong_to_the_private_ones(keys):
    client = paramiko.Ed25519Key.from_private_key_file(str(keys.client_private))
    assert keys.client_public.read_text().split()[:2] == ["ssh-ed25519", client.get_base64()]
    raw = paramiko.Message(keys.host_private.read_bytes())
    assert raw.get_text() == "ssh-ed25519"
    public = paramiko.Message(base64.b64decode(keys.host_public.read_text().split()[1]))
    assert public.get_text() == "ssh-ed25519"
    private = raw.get_binary()
    assert private[32:] == public.get_binary()
    derived = Ed25519PrivateKey.from_private_bytes(private[:32]).public_key()
    assert derived.public_bytes_raw() == private[32:]
