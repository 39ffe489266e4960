"""`package.json`: what is in a package, with the hash of every other file in it; the part that is signed."""

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

import edgeq
from edgeq.artifact import TensorSpec
from edgeq.errors import InputError
from edgeq.package.choice import Rule
from edgeq.package.contents import Contents
from edgeq.package.facts import Facts
from edgeq.results.records import Record

SCHEMA = 1

Kind = Literal["bundle", "aar"]


class Program(Record, frozen=True, kw_only=True):
    """One program: its path in the package, size in bytes and SHA-256."""

    recipe: str
    path: str
    bytes: int
    sha256: str


class RestsOn(Record, frozen=True, kw_only=True):
    """A run that the package rests on; the model card and `runs.json` have its numbers."""

    id: str
    created: str
    recipe: str
    device: str
    kind: Literal["hardware", "emulated"]


class Package(Record, frozen=True, kw_only=True):
    """The document.

    `rules` are tried in order. `exceptions` are sentences: what was packaged without a measurement or
    against one. `files` are SHA-256 by path.
    """

    schema: int = SCHEMA
    kind: Kind
    name: str
    versions: dict[str, str]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    facts: Facts
    programs: tuple[Program, ...]
    rules: tuple[Rule, ...]
    runs: tuple[RestsOn, ...]
    exceptions: tuple[str, ...]
    files: dict[str, str]


def describe(
    kind: Kind, contents: Contents, programs: Mapping[str, str], files: Mapping[str, bytes]
) -> bytes:
    """The document of `contents` as JSON; `programs` are paths by recipe, `files` all that it vouches for."""
    document = Package(
        kind=kind,
        name=contents.name,
        versions={**contents.manifest.versions, "packaged by edgeq": edgeq.__version__},
        inputs=contents.manifest.inputs,
        outputs=contents.manifest.outputs,
        facts=contents.facts,
        programs=tuple(
            Program(
                recipe=variant.recipe,
                path=programs[variant.recipe],
                bytes=variant.manifest.program_bytes,
                sha256=variant.manifest.program_sha256,
            )
            for variant in contents.variants
        ),
        rules=contents.rules,
        runs=tuple(
            RestsOn(
                id=run.id,
                created=run.created,
                recipe=run.artifact.recipe,
                device=run.device.profile,
                kind=run.device.kind,
            )
            for run in contents.runs
            if run.device is not None
        ),
        exceptions=contents.exceptions,
        files={path: hashlib.sha256(files[path]).hexdigest() for path in sorted(files)},
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read_document(data: bytes) -> Package:
    """Read the document.

    Raises:
        InputError: not one, or of a schema that this edgeq does not read.
    """
    try:
        schema = msgspec.json.decode(data).get("schema")
        if schema != SCHEMA:
            raise InputError(
                f"a package of schema {schema!r}; this edgeq reads {SCHEMA}",
                hint="use the edgeq that wrote it",
            )
        return msgspec.json.decode(data, type=Package)
    except (msgspec.DecodeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not the package.json of a package: {error}") from error
