"""Files of known host keys, as sshd(8) describes them: who vouches for which key, and what to write there.

paramiko's own reader knows neither patterns nor the markers `@revoked` and `@cert-authority`, and keeps one
key of each kind for a host.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import ProfileError

_MARKERS = ("@revoked", "@cert-authority")
# Of a hashed name: salt and HMAC-SHA1 of the name with it.
_HASHED = re.compile(r"\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class HostKey:
    """A public host key: its kind, e.g. `ssh-ed25519`, and its bytes as they go over the wire."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As OpenSSH shows it: `SHA256:` and the hash in base64 without padding."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


@dataclass(frozen=True)
class KnownHost:
    """A line of such a file; `number` counts from 1, `marker` is `@revoked`, `@cert-authority` or nothing."""

    file: Path
    number: int
    marker: str
    patterns: tuple[str, ...]
    key: HostKey

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.file} line {self.number}"

    def matches(self, name: str) -> bool:
        """Whether it is about the host of this name, or `[name]:port` where the port is not 22."""
        found = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if _fits(name, pattern[1:]):
                    return False
            elif _fits(name, pattern):
                found = True
        return found


def host_name(host: str, port: int) -> str:
    """A host's name in such a file: with the port when it is not 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def parse_key(text: str) -> HostKey:
    """The key in `ssh-ed25519 AAAA...`, as a `.pub` file holds it; what follows is dropped.

    Raises:
        ValueError: it is none.
    """
    kind, encoded, *_ = [*text.split(), "", ""]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"damaged key: {error}") from error
    name = kind.encode()
    if not name or not blob.startswith(len(name).to_bytes(4, "big") + name) or len(blob) < len(name) + 8:
        raise ValueError("damaged key: its bytes are not of the kind that it names")
    return HostKey(kind, blob)


def read_known_hosts(file: Path) -> list[KnownHost]:
    """The lines of `file`; none when there is no such file.

    Raises:
        ProfileError: it cannot be read, or a line of it is damaged; the message names it.
    """
    hint = "correct or remove the line; `known_hosts` in the device profile may name another file"
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ProfileError(f"cannot read the file of known hosts {file}: {reason}", hint=hint) from error
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if (parsed := _parse_line(file, number, line)) is not None:
                lines.append(parsed)
        except ValueError as error:
            raise ProfileError(
                f"cannot read the file of known hosts {file}: line {number}: {error}", hint=hint
            ) from error
    return lines


@dataclass(frozen=True)
class Verdict:
    """What the lines of known hosts say about a key that a host shows.

    Attributes:
        known: whether a line has just this key for the host.
        revoked: a line that forbids the key.
        others: lines that have other keys for the host.
        authorities: lines that leave the host to a certificate authority.
    """

    known: bool
    revoked: KnownHost | None
    others: tuple[KnownHost, ...]
    authorities: tuple[KnownHost, ...]


def judge(lines: Iterable[KnownHost], names: Sequence[str], key: HostKey) -> Verdict:
    """Look a key up.

    Args:
        lines: of all files.
        names: of the host; as with ssh, what stands under the second one (without the port) may vouch for the
            host, but does not speak against it.
        key: what the host shows.
    """
    about = [line for line in lines if any(line.matches(name) for name in names)]
    plain = [line for line in about if not line.marker]
    return Verdict(
        known=any(line.key == key for line in plain),
        revoked=next((line for line in about if line.marker == "@revoked" and line.key == key), None),
        others=tuple(line for line in plain if line.key != key and line.matches(names[0])),
        authorities=tuple(line for line in about if line.marker == "@cert-authority"),
    )


def add_keys(text: str, name: str, keys: Iterable[HostKey]) -> str:
    """`text` of such a file with `keys` for the host of this name; hashed if the file hashes names."""
    lines = [line for line in text.split("\n") if line]
    if any(line.startswith("|1|") for line in lines):
        salt = secrets.token_bytes(20)
        name = "|".join(("", "1", base64.b64encode(salt).decode(), _hash(name, salt)))
    added = [f"{name} {key.kind} {base64.b64encode(key.blob).decode()}" for key in keys]
    kept = text if not text or text.endswith("\n") else text + "\n"
    return kept + "".join(f"{line}\n" for line in added)


def drop_lines(text: str, numbers: Sequence[int]) -> str:
    """`text` without the lines of these numbers."""
    lines = text.split("\n")
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in numbers)


def _parse_line(file: Path, number: int, line: str) -> KnownHost | None:
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker and marker not in _MARKERS:
        raise ValueError(f"unknown marker {marker!r}")
    if len(words) < 3:
        raise ValueError("it has no name, kind and key")
    if words[1].isdigit():
        return None  # a key of SSH version 1, which nothing speaks any more
    patterns = tuple(words[0].split(","))
    for pattern in patterns:
        if pattern.startswith("|"):
            _split_hashed(pattern)
    return KnownHost(file, number, marker, patterns, parse_key(" ".join(words[1:3])))


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("|"):
        salt, hashed = _split_hashed(pattern)
        return hmac.compare_digest(_hash(name, salt), hashed)
    # `[` stands for itself: only `*` and `?` are wild.
    return fnmatch.fnmatchcase(name, pattern.lower().replace("[", "[[]"))


def _split_hashed(pattern: str) -> tuple[bytes, str]:
    found = _HASHED.fullmatch(pattern)
    try:
        if found and len(salt := base64.b64decode(found[1], validate=True)) == hashlib.sha1().digest_size:  # noqa: S324
            return salt, found[2]
    except binascii.Error:
        pass
    raise ValueError("damaged hashed name")


def _hash(name: str, salt: bytes) -> str:
    # The format's own hash; it hides names, and nothing is trusted for it.
    return base64.b64encode(hmac.digest(salt, name.encode(), "sha1")).decode()
