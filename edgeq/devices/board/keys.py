"""The two key pairs of the emulated board: made here, once, so that its host key is known before it boots."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from edgeq.cache import cached, key_of


@dataclass(frozen=True)
class BoardKeys:
    """Files of one pair for the board (`host_private` in dropbear's format) and one for us."""

    host_private: Path
    host_public: Path
    client_private: Path
    client_public: Path


def find_keys() -> BoardKeys:
    """This user's board keys; made the first time, private ones with mode 0600."""
    folder, _ = cached("board-keys", key_of({"format": 1}), _make)
    return BoardKeys(folder / "host", folder / "host.pub", folder / "client", folder / "client.pub")


def _make(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder.chmod(0o700)
    host, client = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    raw = host.private_bytes(form.Encoding.Raw, form.PrivateFormat.Raw, form.NoEncryption())
    raw += host.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    # dropbear keeps an ed25519 key as two SSH strings (RFC 4251): its type, and both halves in one.
    _write_private(folder / "host", _ssh_string(b"ssh-ed25519") + _ssh_string(raw))
    pem = client.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    _write_private(folder / "client", pem)
    for name, pair in (("host", host), ("client", client)):
        public = pair.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
        (folder / f"{name}.pub").write_bytes(public + b"\n")


def _ssh_string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _write_private(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
