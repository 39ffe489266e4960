"""Ed25519 signatures of packages, with keys of `ssh-keygen -t ed25519` or PEM files."""

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeq.errors import GateFailed, InputError
from edgeq.results.records import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_MAKE = "make one with `ssh-keygen -t ed25519 -N '' -f FILE`"


class Signature(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The signature file: the raw public key (32 bytes) and the signature (64 bytes)."""

    algorithm: str
    public_key: bytes
    signature: bytes


def read_private_key(path: Path) -> "Ed25519PrivateKey":
    """A private key without passphrase, OpenSSH or PEM.

    Raises:
        InputError: missing, encrypted, or not Ed25519.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = _read(path)
    key: object = None
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        try:
            key = load(data, None)
            break
        except TypeError as error:
            raise InputError(f"the key {path} has a passphrase", hint=_MAKE) from error
        except (ValueError, UnsupportedAlgorithm):
            continue
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} is no Ed25519 private key without passphrase", hint=_MAKE)
    return key


def read_public_key(path: Path) -> "Ed25519PublicKey":
    """A public key, OpenSSH or PEM.

    Raises:
        InputError: missing, or not Ed25519.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(path)
    key: object = None
    for load in (serialization.load_ssh_public_key, serialization.load_pem_public_key):
        try:
            key = load(data)
            break
        except (ValueError, UnsupportedAlgorithm):
            continue
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} is no Ed25519 public key", hint="name the .pub file of the signer")
    return key


def sign(data: bytes, key: "Ed25519PrivateKey") -> bytes:
    """The signature file of `data`. Ed25519 is deterministic: the same key and data give the same file."""
    document = Signature(
        algorithm="Ed25519", public_key=key.public_key().public_bytes_raw(), signature=key.sign(data)
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def check_signature(data: bytes, document: bytes, trusted: "Ed25519PublicKey | None") -> str:
    """Check a signature file of `data`; without `trusted` any key will do.

    Returns:
        the signer's fingerprint, as `ssh-keygen -lf` prints it.

    Raises:
        GateFailed: malformed, not the signature of `data`, or of another key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        found = msgspec.json.decode(document, type=Signature)
        key = Ed25519PublicKey.from_public_bytes(found.public_key)
        key.verify(found.signature, data)
    except (msgspec.DecodeError, ValueError, InvalidSignature) as error:
        raise GateFailed("the signature is not one of this package: it was changed or damaged") from error
    if trusted is not None and trusted.public_bytes_raw() != found.public_key:
        raise GateFailed(f"signed by another key: {fingerprint(key)}, not {fingerprint(trusted)}")
    return fingerprint(key)


def fingerprint(key: "Ed25519PublicKey") -> str:
    """SHA-256 of the key as OpenSSH writes it."""
    name = b"ssh-ed25519"
    raw = key.public_bytes_raw()
    blob = len(name).to_bytes(4, "big") + name + len(raw).to_bytes(4, "big") + raw
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the key {path}: {error.strerror}") from error
