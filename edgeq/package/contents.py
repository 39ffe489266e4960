"""What goes into a package, whatever its form: the artifacts, the runs that they rest on, who runs which."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeq.artifact import GRAPH, INPUTS, MANIFEST, OUTPUTS, PROGRAM, Artifact, Manifest, load_artifact
from edgeq.errors import ArtifactError, InputError
from edgeq.package.choice import Rule, parse_needs, rules_by_measurement, rules_by_needs
from edgeq.package.facts import Facts, check_facts
from edgeq.package.gate import Evidence, require, weigh_runs
from edgeq.results.records import Run

# Names become paths in archives, and names in Maven repositories and Android assets.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Variant:
    """One artifact of the package: its manifest, the bytes of its files by name, and what speaks for it."""

    artifact: Artifact
    manifest: Manifest
    files: dict[str, bytes]
    evidence: Evidence

    @property
    def recipe(self) -> str:
        """Name of the recipe, unique in a package."""
        return self.artifact.info.recipe


@dataclass(frozen=True)
class Contents:
    """A whole package, checked. `exceptions` says what was let through without a measurement."""

    name: str
    variants: tuple[Variant, ...]
    rules: tuple[Rule, ...]
    facts: Facts
    licence: bytes | None
    exceptions: tuple[str, ...]

    @property
    def manifest(self) -> Manifest:
        """The first variant's; inputs, outputs and versions are the same in all."""
        return self.variants[0].manifest

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run that the package rests on."""
        return tuple(run for variant in self.variants for run in variant.evidence.runs)


@dataclass(frozen=True)
class Wishes:
    """What the user said about a package: see the options of `edgeq package`."""

    facts: Facts = field(default_factory=Facts)
    licence: bytes | None = None
    needs: tuple[str, ...] = ()
    by_measurement: bool = False
    allow_unmeasured: bool = False
    allow_failed: bool = False


def gather(artifacts: Sequence[Artifact], runs: Iterable[Run], wishes: Wishes) -> Contents:
    """Put a package together from `artifacts` (variants of one model, in order of preference).

    Args:
        artifacts: of `open_artifacts`.
        runs: runs of anything; those of these programs are kept.
        wishes: what the user said.

    Raises:
        InputError: what the user said does not fit.
        GateFailed: a measurement failed or is missing, and that was not allowed.
    """
    known = list(runs)
    variants = tuple(_variant(artifact, weigh_runs(artifact, known)) for artifact in artifacts)
    manifest = variants[0].manifest
    check_facts(wishes.facts, manifest.inputs, manifest.outputs)
    exceptions = require(
        [variant.evidence for variant in variants],
        allow_unmeasured=wishes.allow_unmeasured,
        allow_failed=wishes.allow_failed,
    )
    return Contents(
        name=manifest.name,
        variants=variants,
        rules=_choose(variants, wishes),
        facts=wishes.facts,
        licence=wishes.licence,
        exceptions=exceptions,
    )


def open_artifacts(paths: Sequence[Path]) -> list[Artifact]:
    """Load and compare the artifacts of one package.

    Raises:
        ArtifactError: one is missing, damaged, of another version, or a bare program.
        InputError: a name that cannot be a file's, or artifacts that are not variants of one model.
    """
    artifacts = [load_artifact(path) for path in paths]
    first: Manifest | None = None
    recipes: set[str] = set()
    for path, artifact in zip(paths, artifacts, strict=True):
        manifest = artifact.manifest
        if manifest is None:
            raise ArtifactError(
                f"{path} has no manifest: a program made elsewhere cannot be packaged",
                hint="export the model with `edgeq export`",
            )
        for what, name in (("model", manifest.name), ("recipe", artifact.info.recipe)):
            if not _NAME.fullmatch(name):
                raise InputError(
                    f"{path}: {what} name {name!r} cannot be the name of a file",
                    hint="letters, digits, '.', '_' and '-', at most 64, the first a letter or digit",
                )
        first = first or manifest
        for what in ("name", "inputs", "outputs"):
            if getattr(manifest, what) != getattr(first, what):
                raise InputError(f"{path} differs from {paths[0]} in its {what}: not variants of one model")
        if manifest.versions.get("executorch") != first.versions.get("executorch"):
            raise InputError(f"{path} is for another version of ExecuTorch than {paths[0]}")
        if artifact.info.recipe in recipes:
            raise InputError(f"{path}: recipe {artifact.info.recipe!r} is there twice")
        recipes.add(artifact.info.recipe)
    return artifacts


def _variant(artifact: Artifact, evidence: Evidence) -> Variant:
    manifest = artifact.manifest
    assert manifest is not None  # noqa: S101 - open_artifacts refuses bare programs
    hashes = manifest.hashes
    names = (PROGRAM, MANIFEST, INPUTS, OUTPUTS, *([GRAPH] if GRAPH in hashes else []))
    files = {name: (artifact.folder / name).read_bytes() for name in names}
    # What is shipped is hashed, not what was on the disk when the artifact was opened.
    for name, sha256 in hashes.items():
        if name not in files or hashlib.sha256(files[name]).hexdigest() != sha256:
            raise ArtifactError(f"{artifact.folder}: {name} is not what the manifest says")
    return Variant(artifact, manifest, files, evidence)


def _choose(variants: Sequence[Variant], wishes: Wishes) -> tuple[Rule, ...]:
    recipes = [variant.recipe for variant in variants]
    needs = parse_needs(wishes.needs, recipes)
    if not wishes.by_measurement:
        return rules_by_needs(recipes, needs)
    if needs:
        raise InputError("--needs and --pick measured contradict each other", hint="say one of them")
    return rules_by_measurement(recipes, [run for variant in variants for run in variant.evidence.runs])
