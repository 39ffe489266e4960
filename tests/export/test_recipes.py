"""A recipe of the user's own makes a program, and the recipe in the manifest makes it again bit for bit."""

import json

import msgspec
import pytest
from click.testing import CliRunner
from networks import make_workload
from torch import nn

from edgeq.artifact import load_artifact
from edgeq.cache import cache_root
from edgeq.cli.export import export as export_command
from edgeq.compile.export import export_artifact, publish
from edgeq.compile.recipe_file import load_recipe
from edgeq.errors import RecipeError

RECIPE = """
schema = 1
extends = "int8"
observer = { kind = "mse", bins = 1024 }

[[overrides]]
module = "0"
observer = "min-max"
per_channel = false

[[overrides]]
module_type = "Linear"
precision = "fp32"
"""


def make_model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 4),
    )  # fmt: skip


@pytest.fixture(scope="module")
def workload():
    return make_workload(make_model, (1, 3, 8, 8), samples=10)


@pytest.fixture(scope="module")
def artifact(workload, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "mine.toml").write_text(RECIPE)
    made, _ = export_artifact(workload, str(folder / "mine.toml"))
    (folder / "mine.toml").unlink()
    return load_artifact(publish(made, folder))


def test_program_is_as_the_recipe_says(artifact):
    assert artifact.folder.name == "net.mine"
    assert [
        (layer.module, layer.got) for layer in artifact.manifest.layers if layer.kind != "batch_norm"
    ] == [
        ("0", "int8"),
        ("3", "int8"),
        ("6", "fp32"),
    ]
    assert {each.module: each.observer for each in artifact.manifest.coverage.ranges} == {
        "input input": "min-max",
        "2": "min-max",
        "4": "mse",
    }


def test_recipe_in_the_manifest_is_whole(artifact):
    assert artifact.manifest.recipe == {
        "name": "mine",
        "weights": "int8",
        "activations": "static",
        "per_channel": True,
        "summary": "from mine.toml",
        "group": None,
        "observer": {"kind": "mse", "bins": 1024},
        "training": False,
        "overrides": [
            {"module": "0", "observer": {"kind": "min-max"}, "per_channel": False},
            {"module_type": "Linear", "precision": "fp32"},
        ],
        "rewrites": ["recurrence", "constant-weights", "hard-swish", "hard-sigmoid", "global-mean"],
        "equalize": False,
        "bias_correction": False,
        "channels_last": False,
    }
    written = json.loads(msgspec.json.encode(load_recipe(str(artifact.folder))))
    assert written == artifact.manifest.recipe


def test_recipe_in_the_manifest_makes_the_same_program_again(artifact, workload, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))
    assert not list(cache_root().iterdir())
    again, cached = export_artifact(workload, str(artifact.folder))
    assert not cached
    manifest = load_artifact(again).manifest
    assert manifest.program_sha256 == artifact.manifest.program_sha256
    assert manifest == artifact.manifest


def test_manifest_from_before_observers_had_a_name_means_the_one_there_was(artifact, tmp_path):
    written = json.loads((artifact.folder / "manifest.json").read_bytes())
    for key in ("observer", "overrides"):
        del written["recipe"][key]
    del written["coverage"]
    (tmp_path / "manifest.json").write_text(json.dumps(written))
    recipe = load_recipe(str(tmp_path))
    assert msgspec.to_builtins(recipe.observer) == {"kind": "histogram", "bins": 2048}
    assert recipe.overrides == ()


def test_unmatched_override_is_told_by_the_command_before_calibration(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'schema = 1\nextends = "int8"\n[[overrides]]\nmodule = "haed"\nprecision = "fp32"\n'
    )
    arguments = ["digits", "--recipe", str(tmp_path / "mine.toml"), "--out", str(tmp_path)]
    result = CliRunner().invoke(export_command, arguments)
    assert isinstance(result.exception, RecipeError)
    assert "module 'haed' matches nothing" in result.exception.message
    assert "head" in result.exception.hint
    assert "reading the calibration set" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
