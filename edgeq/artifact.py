"""The artifact: a folder with `model.pte`, `manifest.json` and the reference inputs and outputs.

Written by `edgeq.compile`, read by everything after it; no torch here. Reference tensors are safetensors
files whose keys are `"{sample}.{index}"`: sample 0 upward, index in the flattened inputs or outputs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from edgeq.cache import file_sha256
from edgeq.errors import ArtifactError
from edgeq.graph import ProgramGraph, decode_graph
from edgeq.results.records import Accuracy, ArtifactInfo, Delegation, Record, RunWarning

MANIFEST_SCHEMA = 1
PROGRAM, MANIFEST, INPUTS, OUTPUTS = "model.pte", "manifest.json", "inputs.safetensors", "outputs.safetensors"
GRAPH = "graph.json"

Array = np.ndarray[Any, np.dtype[Any]]
# Samples, each a flat tuple of arrays.
Samples = list[tuple[Array, ...]]


class TensorSpec(Record, omit_defaults=True, frozen=True, kw_only=True):
    """One flattened input or output of the method: torch's dtype name without `torch.`, and its shape.

    With `channels_last` its memory is ordered N, H, W, C, the shape being (N, C, H, W); else row-major.
    Reference samples are stored row-major always.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    channels_last: bool = False

    @property
    def form(self) -> str:
        """The shape for people, e.g. `[1, 3, 224, 224], channels last in memory`."""
        return f"{list(self.shape)}" + (", channels last in memory" if self.channels_last else "")


class Calibration(Record, frozen=True, kw_only=True):
    """The calibration set that the ranges came from: number of samples and SHA-256 over their bytes."""

    samples: int
    sha256: str


class CalibrationInput(Record, frozen=True, kw_only=True):
    """One floating-point input over the whole calibration set, beside the same of `example_inputs()`.

    Attributes:
        low, high: extremes.
        rms_low, rms_high: the least and the greatest root mean square of a sample.
        neighbours: correlation of values that lie side by side in the last dimension: near 1 in images and
            sound, near 0 in noise; None where values do not differ.
    """

    name: str
    low: float
    high: float
    rms_low: float
    rms_high: float
    neighbours: float | None
    example_low: float
    example_high: float
    example_rms: float
    example_neighbours: float | None


class TensorRange(Record, frozen=True, kw_only=True):
    """One activation: what calibration showed of it, and what INT8 makes of that.

    Attributes:
        module: the user's module that gives it, or `input NAME`.
        operator: the operator that gives it; empty for an input.
        observer: how the range was chosen.
        low, high: extremes over all samples.
        scale, zero_point: `real = scale * (q - zero_point)`, q from -128 to 127.
        settled: number of samples that show 90 % of the final extent.
        saturation: share of the held-out values beyond the range that the samples before them give.
        unused: share of that range that no held-out value reaches.
        beyond: how far the held-out values lie beyond the extremes before them, in widths of these.
    """

    module: str
    operator: str
    observer: str
    low: float
    high: float
    scale: float
    zero_point: int
    settled: int
    saturation: float | None
    unused: float | None
    beyond: float | None


class ClassCoverage(Record, frozen=True, kw_only=True):
    """Classes by the model's own top-1 answer, in the calibration set and in the evaluation.

    Attributes:
        classes: how many the output has.
        calibrated: how many of them the calibration set has samples of.
        evaluated: how many of them the evaluation has samples of; None without an evaluation.
        missing: those of the evaluation that the calibration set lacks, the most frequent first.
        missing_share: of the samples of the evaluation; None without one.
        expected_share: what a random draw from the evaluation, as large as the calibration set, is expected
            to lack: the sum over its classes of p (1 - p)^samples.
    """

    classes: int
    calibrated: int
    evaluated: int | None
    missing: tuple[int, ...]
    missing_share: float | None
    expected_share: float | None


class Coverage(Record, frozen=True, kw_only=True):
    """What the calibration set covers.

    Attributes:
        held_out: how many samples at the end of the set the held-out figures come from. They are in the
            final ranges like all others; the figures say how the samples before them would have done.
        enough: number of samples after which every range had 90 % of its final extent.
        checkpoints: numbers of samples at which that was looked at.
        growth: the least share of its final extent that any range had there.
        duplicates: samples that came before, looked for among the first `compared`.
        classes: None where no output looks like scores of classes, and in the manifest of an older edgeq.
    """

    held_out: int
    enough: int
    checkpoints: tuple[int, ...]
    growth: tuple[float, ...]
    duplicates: int
    compared: int
    inputs: tuple[CalibrationInput, ...]
    ranges: tuple[TensorRange, ...]
    classes: ClassCoverage | None = None


class QuantizedLayer(Record, frozen=True, kw_only=True):
    """One layer that holds weights: what the recipe asked for it and what the converted model has.

    `bytes` is the size of its weights as stored in the converted model.
    """

    module: str
    kind: str
    asked: str
    got: str
    parameters: int
    bytes: int


class Manifest(Record, frozen=True, kw_only=True):
    """What the program is, what it was made from, and what it must reproduce.

    `rewrites` are those that changed the program before it was quantized, with the number of places.
    `graph_sha256` is None in an artifact of an edgeq that wrote no graph.
    """

    schema: int = MANIFEST_SCHEMA
    name: str
    workload: str
    recipe: dict[str, Any]
    versions: dict[str, str]
    program_sha256: str
    program_bytes: int
    graph_sha256: str | None = None
    weights_sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    reference_samples: int
    reference_sha256: dict[str, str]
    rewrites: dict[str, int] = msgspec.field(default_factory=dict)
    calibration: Calibration | None
    coverage: Coverage | None = None
    layers: tuple[QuantizedLayer, ...]
    delegation: Delegation
    accuracy: Accuracy
    warnings: tuple[RunWarning, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file of the artifact beside the manifest, by name."""
        graph = {} if self.graph_sha256 is None else {GRAPH: self.graph_sha256}
        return {PROGRAM: self.program_sha256, **self.reference_sha256, **graph}


class Artifact(Record, frozen=True, kw_only=True):
    """An artifact that was read from `folder` and verified; `manifest` is None for a bare `.pte`."""

    folder: Path
    program: Path
    info: ArtifactInfo
    manifest: Manifest | None

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Of the method; unknown, and so empty, for a bare `.pte`."""
        return self.manifest.inputs if self.manifest is not None else ()

    @property
    def label(self) -> str:
        """Name and recipe, e.g. `digits.int8`."""
        return f"{self.info.name}.{self.info.recipe}"


def load_artifact(path: Path) -> Artifact:
    """Read and verify the artifact in folder `path`, or a bare `.pte` file made elsewhere.

    Raises:
        ArtifactError: missing, of another version, or a file differs from its hash in the manifest.
    """
    if path.is_file() and path.suffix == ".pte":
        return _bare_program(path)
    if not path.is_dir():
        raise ArtifactError(
            f"no artifact at {path}", hint="make one with `edgeq export WORKLOAD`, or name a .pte file"
        )
    manifest = read_manifest(path / MANIFEST)
    for name, sha256 in manifest.hashes.items():
        file = path / name
        if not file.is_file():
            raise ArtifactError(f"{path}: {name} is missing", hint="export it again")
        if file_sha256(file) != sha256:
            raise ArtifactError(f"{file} differs from the hash in its manifest", hint="export it again")
    info = ArtifactInfo(
        name=manifest.name,
        recipe=str(manifest.recipe.get("name", "?")),
        sha256=manifest.program_sha256,
        bytes=manifest.program_bytes,
        executorch=manifest.versions.get("executorch"),
        torch=manifest.versions.get("torch"),
        delegation=manifest.delegation,
        accuracy=manifest.accuracy,
    )
    return Artifact(folder=path, program=path / PROGRAM, info=info, manifest=manifest)


def read_manifest(path: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        ArtifactError: missing, not JSON, of another schema version, or a field is wrong (its path is named).
    """
    try:
        data = path.read_bytes()
        schema = msgspec.json.decode(data).get("schema")
        if schema != MANIFEST_SCHEMA:
            raise ArtifactError(
                f"{path} has schema {schema!r}; this edgeq reads {MANIFEST_SCHEMA}",
                hint="export it again, or use the edgeq that wrote it",
            )
        return msgspec.json.decode(data, type=Manifest)
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}", hint="export it again") from error
    except (msgspec.DecodeError, AttributeError) as error:
        raise ArtifactError(f"{path}: {error}", hint="export it again") from error


def read_graph(artifact: Artifact) -> ProgramGraph:
    """The graph of the program.

    Raises:
        ArtifactError: the artifact has none, or it is damaged.
    """
    if artifact.manifest is None:
        raise ArtifactError(f"{artifact.program} was made elsewhere: nothing tells its graph")
    if artifact.manifest.graph_sha256 is None:
        raise ArtifactError(
            f"{artifact.folder} holds no graph: it was made by an older edgeq", hint="export it again"
        )
    try:
        return decode_graph((artifact.folder / GRAPH).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(f"{artifact.folder / GRAPH}: {error}", hint="export it again") from error


def read_graphs(artifacts: Iterable[Artifact]) -> dict[str, ProgramGraph]:
    """The graphs of those that hold one, by the SHA-256 of the program.

    Raises:
        ArtifactError: one is damaged.
    """
    return {
        artifact.info.sha256: read_graph(artifact)
        for artifact in artifacts
        if artifact.manifest is not None and artifact.manifest.graph_sha256 is not None
    }


def write_samples(path: Path, samples: Samples) -> None:
    """Write `samples` as one safetensors file."""
    save_file(
        {
            f"{s}.{i}": np.ascontiguousarray(array)
            for s, row in enumerate(samples)
            for i, array in enumerate(row)
        },
        str(path),
    )


def read_samples(path: Path) -> Samples:
    """Read a file of `write_samples`, or of the native runner, back in order.

    Raises:
        ArtifactError: not a safetensors file, or its keys are not `"{sample}.{index}"` without gaps.
    """
    try:
        tensors = load_file(str(path))
        rows: dict[int, dict[int, Array]] = {}
        for key, array in tensors.items():
            sample, index = (int(part) for part in key.split("."))
            rows.setdefault(sample, {})[index] = array
        return [tuple(rows[s][i] for i in range(len(rows[s]))) for s in range(len(rows))]
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} holds no samples: {error}") from error


def _bare_program(path: Path) -> Artifact:
    unknown = "the program was made elsewhere"
    rungs = {"missing": unknown}
    info = ArtifactInfo(
        name=path.stem,
        recipe="unknown",
        sha256=file_sha256(path),
        bytes=path.stat().st_size,
        executorch=None,
        torch=None,
        delegation=None,
        accuracy=Accuracy(eager=dict(rungs), converted=dict(rungs), host=dict(rungs), device=dict(rungs)),
    )
    return Artifact(folder=path.parent, program=path, info=info, manifest=None)
