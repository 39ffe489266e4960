"""Makes the artifact of a workload under a recipe, or finds it in the cache.

The key is all that the artifact depends on: the traced graph and the weights, the recipe, the calibration
set, the reference inputs, the workload's own sources (its training and evaluation) and all versions. What the
evaluation reads has no hash: a caller to whom that matters says what the eager model scores now.
"""

import hashlib
import importlib.metadata
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch.export import ExportedProgram

import edgeq
from edgeq.artifact import MANIFEST, Samples, load_artifact
from edgeq.cache import cached, drop, file_sha256, key_of, staging
from edgeq.compile.calibration.calibrate import (
    Progress,
    Survey,
    hash_tensors,
    read_calibration,
    survey_calibration,
)
from edgeq.compile.evaluation.accuracy import are_same
from edgeq.compile.lowering.memory_format import require_images
from edgeq.compile.quantization.overrides import Plan, apply_overrides
from edgeq.compile.recipe import Recipe, require_own_name
from edgeq.compile.recipe_file import load_recipe
from edgeq.compile.rewrites.rewrite import Step, rewrite_program
from edgeq.compile.silence import silence
from edgeq.compile.sources import hash_sources
from edgeq.compile.subject import Subject, open_subject
from edgeq.compile.trace import require_stateless, trace_program
from edgeq.errors import InputError, WorkloadError
from edgeq.graph import GRAPH_SCHEMA
from edgeq.results.records import Metrics
from edgeq.workload.loader import Workload

# How many samples a device must reproduce: up to this many, and up to this many bytes of them.
REFERENCE_SAMPLES = 8
REFERENCE_BYTES = 1_500_000

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """One export as it was asked for, traced, rewritten and surveyed: what the cache key is made of.

    `program` is what is quantized and lowered: the `traced` one after the last of the `steps`.
    """

    name: str
    subject: Subject
    plan: Plan
    traced: ExportedProgram
    steps: tuple[Step, ...]
    survey: Survey | None
    reference: Samples
    weights_sha256: str
    versions: dict[str, str]
    progress: Progress

    @property
    def recipe(self) -> Recipe:
        """The recipe that was asked for."""
        return self.plan.recipe

    @property
    def program(self) -> ExportedProgram:
        """What is quantized and lowered."""
        return self.steps[-1].program if self.steps else self.traced


def export_artifact(
    workload: Workload,
    recipe: Recipe | str,
    *,
    announce: Announce = lambda _: None,
    progress: Progress = lambda *_: None,
    name: str | None = None,
    scores: Callable[[], Metrics] | None = None,
) -> tuple[Path, bool]:
    """The artifact of `workload` under `recipe`, named `name` or after the workload.

    A recipe as text is what `load_recipe` takes. `announce` is told each step, `progress` each sample.
    `scores` gives the eager model's metrics; what is in the cache is built again when they were others then.

    Returns:
        its folder in the cache (read-only), and whether it was there already.

    Raises:
        RecipeError, WorkloadError, CalibrationError: what was given is wrong.
        ExportError, NotQuantizedError: the program could not be made as asked.
    """
    asked = load_recipe(recipe) if isinstance(recipe, str) else require_own_name(recipe)
    with silence():
        order = prepare_order(workload, asked, name or workload.name, announce, progress)
        key = key_of(describe_order(order))

        def make(folder: Path) -> None:
            # Imported here: a cached artifact needs none of executorch, whose import takes seconds.
            from edgeq.compile.build import build_artifact

            build_artifact(order, folder, announce)

        folder, was_there = cached("artifact", key, make)
        if was_there and scores and not are_same(scores(), load_artifact(folder).info.accuracy.eager):
            announce(f"{order.name}: the eager model scores something else now: building it again")
            drop("artifact", key)
            cached("artifact", key, make)
            was_there = False
        return folder, was_there


def publish(folder: Path, out: Path) -> Path:
    """Copy the artifact in `folder` to `{out}/{name}.{recipe}`, whole or not at all.

    An artifact that is there is left alone when it is the same to the last byte, and replaced otherwise.

    Raises:
        InputError: something else is there.
    """
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    final = out / f"{manifest['name']}.{manifest['recipe']['name']}"
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    if final.exists() and not (final / MANIFEST).is_file():
        raise InputError(f"{final} exists and is not an artifact", hint="choose another folder")
    if all((final / f.name).is_file() and file_sha256(final / f.name) == file_sha256(f) for f in files):
        return final
    with staging(final) as beside:
        for file in files:
            shutil.copyfile(file, beside / file.name)
        if final.is_dir():
            shutil.rmtree(final)
    return final


def prepare_order(
    workload: Workload, recipe: Recipe, name: str, announce: Announce, progress: Progress
) -> Order:
    """Open and trace `workload`, apply `recipe` to the program, and survey the calibration set.

    Raises:
        RecipeError, WorkloadError, CalibrationError: what was given is wrong.
        ExportError: torch cannot trace the model, or it has a state.
    """
    if recipe.training and workload.train is None:
        raise WorkloadError(
            f"workload {workload.name!r} brings no train(), and the recipe {recipe.name!r} trains",
            hint="add a function train(model) that trains the module it is given in place; or use int8",
        )
    announce(f"{name}: opening the model")
    subject = open_subject(workload)
    require_images(recipe, subject)
    announce(f"{name}: tracing")
    traced = trace_program(subject.module, subject.args, subject)
    require_stateless(traced, subject)
    steps = rewrite_program(traced, recipe)
    plan = apply_overrides(steps[-1].program if steps else traced, recipe)
    if recipe.needs_calibration:
        announce(f"{name}: reading the calibration set")
    return Order(
        name=name,
        subject=subject,
        plan=plan,
        traced=traced,
        steps=steps,
        survey=survey_calibration(subject, recipe, progress),
        reference=_reference_inputs(subject),
        weights_sha256=_hash_weights(traced),
        versions=_versions(),
        progress=progress,
    )


def _reference_inputs(subject: Subject) -> Samples:
    """The first calibration samples; the example inputs when there is no calibration set."""
    if subject.workload.calibration is None:
        return [tuple(leaf.numpy() for leaf in subject.flatten_inputs(subject.args))]
    samples: Samples = []
    for leaves in itertools.islice(read_calibration(subject), REFERENCE_SAMPLES):
        samples.append(tuple(leaf.numpy() for leaf in leaves))
        if sum(array.nbytes for array in samples[-1]) * (len(samples) + 1) > REFERENCE_BYTES:
            break
    return samples


def describe_order(order: Order) -> dict[str, object]:
    """All that the artifact depends on: what its key in the cache is made of."""
    reference = [[torch.from_numpy(array) for array in row] for row in order.reference]
    return {
        "name": order.name,
        "recipe": msgspec.to_builtins(order.recipe),
        "graph": _hash_graph(order.traced),
        "weights": order.weights_sha256,
        "inputs": msgspec.to_builtins(order.subject.inputs),
        "outputs": msgspec.to_builtins(order.subject.outputs),
        "calibration": msgspec.to_builtins(order.survey.calibration) if order.survey else None,
        "reference": [hash_tensors(row).hex() for row in reference],
        "source": hash_sources(order.subject.workload),
        "versions": order.versions,
        "record": GRAPH_SCHEMA,
        "compiler": _hash_folder(Path(__file__).parent),
    }


def _hash_graph(program: ExportedProgram) -> str:
    """Of the code of the traced graph and every graph nested in it."""
    sha256 = hashlib.sha256()
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            sha256.update(str(module.graph).encode())
    return sha256.hexdigest()


def _hash_weights(program: ExportedProgram) -> str:
    sha256 = hashlib.sha256()
    for name, value in sorted({**program.state_dict, **program.constants}.items()):
        if isinstance(value, torch.Tensor):
            sha256.update(name.encode() + hash_tensors([value.detach().contiguous()]))
    return sha256.hexdigest()


def _hash_folder(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in sorted(folder.rglob("*.py"))}


def _versions() -> dict[str, str]:
    return {
        "edgeq": edgeq.__version__,
        "torch": str(torch.__version__),
        **{package: importlib.metadata.version(package) for package in ("executorch", "torchao")},
    }
