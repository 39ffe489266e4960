"""What a program must reproduce: its artifact's reference, or for a bare `.pte` the host's outputs."""

import json
from pathlib import Path

import msgspec
import numpy as np

from edgeq.artifact import INPUTS, OUTPUTS, Array, Artifact, Samples, read_graph, write_samples
from edgeq.cache import cached, key_of
from edgeq.devices.link import printable
from edgeq.devices.local import LocalLink
from edgeq.devices.profile import host_arch
from edgeq.errors import ArtifactError
from edgeq.graph import ProgramGraph
from edgeq.results.records import Record
from edgeq.runner.build import RunnerBundle, build_runner
from edgeq.runner.job import Job, MethodMeta, TensorMeta
from edgeq.runner.launch import Launcher

_SAMPLES, _SEED = 2, 0
# Integer inputs are drawn from {0, 1}: indices that every table has.
_INTEGERS = 2


class Reference(Record, frozen=True, kw_only=True):
    """Reference inputs and outputs as safetensors files.

    `quantized` widens the bound of the output check; `graph` is that of the program, None when the artifact
    holds none.
    """

    inputs: Path
    outputs: Path
    quantized: bool
    graph: ProgramGraph | None


def find_reference(artifact: Artifact, executorch: str) -> Reference:
    """The reference of `artifact`; made with the host's build of the runner when it is a bare program.

    Raises:
        ArtifactError: the program cannot be read, or takes inputs that cannot be drawn.
        BuildError, HostError: the host's runner could not be built.
    """
    if artifact.manifest is not None:
        has_graph = artifact.manifest.graph_sha256 is not None
        return Reference(
            inputs=artifact.folder / INPUTS,
            outputs=artifact.folder / OUTPUTS,
            quantized=any(layer.got != "fp32" for layer in artifact.manifest.layers),
            graph=read_graph(artifact) if has_graph else None,
        )
    bundle = build_runner(executorch, host_arch())
    key = key_of({"program": artifact.info.sha256, "runner": bundle.key, "seed": _SEED, "samples": _SAMPLES})
    folder, _ = cached("reference", key, lambda made: _make(artifact.program, bundle, made))
    # Nothing says whether a foreign program is quantized, so the wider bound holds.
    return Reference(inputs=folder / INPUTS, outputs=folder / OUTPUTS, quantized=True, graph=None)


def _make(program: Path, bundle: RunnerBundle, folder: Path) -> None:
    with LocalLink() as link:
        method = _describe(link, program, bundle)
        generator = np.random.default_rng(_SEED)
        samples: Samples = [
            tuple(_draw(meta, generator, program) for meta in method.inputs) for _ in range(_SAMPLES)
        ]
        write_samples(folder / INPUTS, samples)
        with Launcher(link, bundle, str(folder / "work")) as launcher:
            job = Job(
                kind="outputs",
                program=str(program.absolute()),
                inputs=str(folder / INPUTS),
                outputs=str(folder / OUTPUTS),
                method=method.name,
            )
            launcher.run(job)
        link.run(("rm", "-rf", str(folder / "work")), timeout=60)


def _describe(link: LocalLink, program: Path, bundle: RunnerBundle) -> MethodMeta:
    answer = link.run((str(bundle.runner), "--describe", str(program.absolute())), timeout=60)
    if answer.exit_code != 0:
        said = printable(answer.stderr).strip()[-500:]
        raise ArtifactError(
            f"{program} is no program of ExecuTorch {bundle.executorch}: {said}",
            hint="export it with that version, or check that the file is whole",
        )
    methods = msgspec.convert(json.loads(answer.stdout), list[MethodMeta])
    method = next((method for method in methods if method.name == "forward"), None)
    if method is None:
        names = ", ".join(method.name for method in methods) or "none"
        raise ArtifactError(f"{program} has no method `forward`; it has: {names}")
    if method.unsupported:
        raise ArtifactError(f"{program}: cannot draw inputs for `forward`: {method.unsupported}")
    return method


def _draw(meta: TensorMeta, generator: np.random.Generator, program: Path) -> Array:
    try:
        dtype = np.dtype(meta.dtype)
    except TypeError:
        raise ArtifactError(f"{program}: cannot draw an input of dtype {meta.dtype}") from None
    if np.issubdtype(dtype, np.floating):
        return generator.standard_normal(meta.shape).astype(dtype)
    return generator.integers(0, _INTEGERS, meta.shape).astype(dtype)
