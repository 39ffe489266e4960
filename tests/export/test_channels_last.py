from pathlib import Path

import pytest
import torch
from networks import export, make_workload, sqnr_db
from torch import nn

from edgeq.artifact import read_samples
from edgeq.compile.export import prepare_order
from edgeq.compile.lowering.memory_format import turn
from edgeq.compile.recipe import extend_recipe
from edgeq.devices.profile import load_profile
from edgeq.errors import InputError, RecipeError
from edgeq.measure.choices import Choices, resolve_spec
from edgeq.measure.device import DeviceSession
from edgeq.measure.passes import Subject
from edgeq.runner.app import Apk

RECIPE = extend_recipe("int8", name="last", channels_last=True)


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU6(), nn.Conv2d(8, 5, 1))


@pytest.fixture(scope="module")
def workload():
    return make_workload(make_model, (1, 3, 9, 7), samples=8)


@pytest.fixture(scope="module")
def artifact(workload):
    return export(workload, RECIPE)


def test_manifest_says_how_images_lie_in_memory(artifact):
    (images,), (output,) = artifact.manifest.inputs, artifact.manifest.outputs
    assert images.shape == (1, 3, 9, 7)
    assert images.channels_last
    assert output.channels_last
    assert images.form == "[1, 3, 9, 7], channels last in memory"


def test_program_without_the_key_takes_rows(workload):
    manifest = export(workload, "int8").manifest
    assert not any(spec.channels_last for spec in (*manifest.inputs, *manifest.outputs))


@pytest.mark.parametrize("recipe", ["int8", "fp32"])
def test_outputs_are_those_of_rows(recipe, workload):
    rows = export(workload, recipe)
    turned = export(workload, extend_recipe(recipe, name=f"{recipe}-last", channels_last=True))
    for (mine,), (theirs,) in zip(
        read_samples(rows.folder / "outputs.safetensors"),
        read_samples(turned.folder / "outputs.safetensors"),
        strict=True,
    ):
        assert sqnr_db(mine, theirs) > 100


def test_channels_move_and_values_stay():
    images = torch.arange(24.0).reshape(1, 4, 3, 2)
    assert turn(images).dim_order() == (0, 2, 3, 1)
    assert torch.equal(turn(images), images)


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 6, 6), (1, 3, 1, 1)])
def test_inputs_without_channels_to_move_are_refused(shape):
    flat = make_workload(nn.Identity, shape)
    with pytest.raises(RecipeError, match="several channels"):
        prepare_order(flat, RECIPE, "flat", lambda _: None, lambda *_: None)


def test_bench_inside_of_an_app_is_refused(artifact):
    executorch = artifact.manifest.versions["executorch"]
    choices = Choices(apk=Apk(path=Path("runner.apk"), executorch=executorch))
    profile = load_profile("android")
    session = DeviceSession(
        profile,
        resolve_spec(profile, choices),
        [Subject(artifact)],
        wait=0,
        tune=False,
        announce=lambda _: None,
        progress=None,
        apk=choices.apk,
    )
    with pytest.raises(InputError, match="row-major"):
        session.prepare()
