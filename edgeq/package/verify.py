"""Is a package what it says: every file by its hash, nothing besides, and the signature."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeq.cache import staging
from edgeq.errors import GateFailed, InputError
from edgeq.package.archive import read_zip
from edgeq.package.document import Package, read_document
from edgeq.package.signature import check_signature, read_public_key

# In a bundle, and among the assets of an Android library.
_DOCUMENT = re.compile(r"(assets/edgeq/[^/]+\.)?package\.json")
# What shows that there was one.
_OTHERS = re.compile(r"MODEL_CARD\.md|assets/edgeq/.*")


@dataclass(frozen=True)
class Verified:
    """A package that is whole. `signer` is the fingerprint of its key, None without signature."""

    document: Package
    files: dict[str, bytes]
    signer: str | None


def verify_package(path: Path, key: Path | None = None) -> Verified:
    """Check the package at `path`; with `key` (a public key file) it must be signed by that key.

    Raises:
        InputError: the file is no package, or the key no key.
        GateFailed: a file is missing, changed or added, or the signature is missing or wrong.
    """
    trusted = read_public_key(key) if key is not None else None
    files = read_zip(path)
    found = [name for name in files if _DOCUMENT.fullmatch(name)]
    if len(found) > 1:
        raise GateFailed(f"{path}: a second package.json was added since it was packaged")
    if not found and any(map(_OTHERS.fullmatch, files)):
        raise GateFailed(f"{path}: package.json is missing since it was packaged")
    if not found:
        raise InputError(
            f"{path} is no package of edgeq: it holds no package.json",
            hint="name a bundle or an .aar of `edgeq package`",
        )
    document = read_document(files[found[0]])
    signature = found[0].removesuffix("package.json") + "signature.json"
    _compare(path, document, {name: files[name] for name in files if name not in (found[0], signature)})
    signer = None
    if signature in files:
        signer = check_signature(files[found[0]], files[signature], trusted)
    elif trusted is not None:
        raise GateFailed(f"{path} is not signed")
    return Verified(document, files, signer)


def unpack_package(path: Path, out: Path, key: Path | None = None) -> Verified:
    """Verify a package as `verify_package`, then write its files into the new folder `out`, all or none.

    Raises:
        InputError: `out` exists.
    """
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists", hint="choose another folder")
    verified = verify_package(path, key)
    with staging(out) as folder:
        for name, data in verified.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return verified


def _compare(path: Path, document: Package, files: Mapping[str, bytes]) -> None:
    added, lost = files.keys() - document.files.keys(), document.files.keys() - files.keys()
    changed = {
        name
        for name in files.keys() & document.files.keys()
        if hashlib.sha256(files[name]).hexdigest() != document.files[name]
    }
    for what, names in (("was added", added), ("is missing", lost), ("was changed", changed)):
        if names:
            raise GateFailed(f"{path}: {sorted(names)[0]} {what} since it was packaged")
    for program in document.programs:
        if document.files.get(program.path) != program.sha256:
            raise GateFailed(f"{path}: {program.path} is not the program that was measured")
