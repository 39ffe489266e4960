"""Makes artifact folders and the runs that speak for them."""

import hashlib
import random
import subprocess

import msgspec
import numpy as np
from msgspec.structs import replace
from runs import DEVICE, make_run

from edgeq.artifact import (
    GRAPH,
    INPUTS,
    MANIFEST,
    OUTPUTS,
    PROGRAM,
    Calibration,
    Manifest,
    TensorSpec,
    load_artifact,
    write_samples,
)
from edgeq.cache import file_sha256
from edgeq.package.contents import Wishes, gather, open_artifacts
from edgeq.results.records import Accuracy, Delegation, LeftOut, Series

IMAGES = TensorSpec(name="images", dtype="float32", shape=(1, 2, 2, 3))
SCORES = TensorSpec(name="output", dtype="float32", shape=(1, 3))
TOP1 = {"top1": 0.98}


def make_folder(path, *, recipe="int8", name="digits", size=20_000, **changes):
    """An artifact folder whose program is `size` bytes that depend on the recipe."""
    path.mkdir(parents=True)
    (path / PROGRAM).write_bytes(random.Random(recipe).randbytes(size))
    write_samples(path / INPUTS, [(np.zeros(IMAGES.shape, np.float32),)])
    write_samples(path / OUTPUTS, [(np.zeros(SCORES.shape, np.float32),)])
    (path / GRAPH).write_bytes(b"{}")
    manifest = Manifest(
        name=name,
        workload="digits",
        recipe={"name": recipe},
        versions={"torch": "2.13.0", "executorch": "1.5.1"},
        program_sha256=file_sha256(path / PROGRAM),
        program_bytes=size,
        graph_sha256=file_sha256(path / GRAPH),
        weights_sha256="00" * 32,
        inputs=(IMAGES,),
        outputs=(SCORES,),
        reference_samples=1,
        reference_sha256={each: file_sha256(path / each) for each in (INPUTS, OUTPUTS)},
        calibration=Calibration(samples=128, sha256="00" * 32),
        layers=(),
        delegation=Delegation(
            delegated=9, total=10, left_out=(LeftOut(op="aten.mean", count=1, reason="no keepdim"),)
        ),
        accuracy=Accuracy(eager=TOP1, converted=TOP1, host=TOP1, device={"missing": "not run yet"}),
    )
    (path / MANIFEST).write_bytes(msgspec.json.encode(replace(manifest, **changes)))
    return path


def change_manifest(path, **keys):
    """Rewrite keys of the manifest in folder `path`, whatever they are."""
    document = msgspec.json.decode((path / MANIFEST).read_bytes())
    (path / MANIFEST).write_bytes(msgspec.json.encode({**document, **keys}))


def run_of(folder, *, profile="pi5", features=("asimddp",), kind="hardware", latency=0.002, **changes):
    """A run of the artifact in `folder` on a device of that name; `latency` in seconds, None for none."""
    artifact = load_artifact(folder)
    device = replace(DEVICE, profile=profile, features=features, kind=kind, clock="wall")
    series = ()
    if latency is not None:
        series = (Series(name="latency", unit="s", phase="measured", values=(latency,), source="test"),)
    run_id = hashlib.sha256(f"{artifact.label} {profile} {changes}".encode()).hexdigest()[:32]
    info = replace(artifact.info, accuracy=replace(artifact.info.accuracy, device=TOP1))
    return replace(
        make_run(artifact.info.recipe),
        **{"id": run_id, "artifact": info, "device": device, "series": series, **changes},
    )


def packed(*folders, runs=None, **wishes):
    """The contents of a package of these artifacts, each measured once unless `runs` says otherwise."""
    measured = [run_of(folder) for folder in folders] if runs is None else runs
    return gather(open_artifacts(folders), measured, Wishes(**wishes))


def make_key(path, *options):
    """An Ed25519 key pair of ssh-keygen: `path` and `path`.pub."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path), *options]
    subprocess.run(command, check=True)
    return path
