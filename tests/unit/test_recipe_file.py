"""Recipes of the user's own: what is in them, what they extend, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from edgeq.compile.recipe import (
    OBSERVERS,
    RECIPES,
    Histogram,
    MinMax,
    MovingAverage,
    Override,
    Percentile,
    Recipe,
    extend_recipe,
    find_recipe,
)
from edgeq.compile.recipe_file import load_recipe, load_recipes
from edgeq.errors import RecipeError

TOML = """
schema = 1
extends = "int8"
observer = { kind = "percentile", percentile = 99.9 }

[[overrides]]
module = "blocks.*"
observer = "min-max"

[[overrides]]
module_type = "Linear"
operator = "linear"
precision = "fp32"
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def refused(folder: Path, text: str, name: str = "mine.toml") -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(folder, text, name))
    assert caught.value.hint
    return caught.value


def test_toml_recipe_is_its_base_with_the_changes(tmp_path):
    recipe = load_recipe(write(tmp_path, TOML))
    assert recipe == Recipe(
        name="mine",
        weights="int8",
        activations="static",
        per_channel=True,
        summary="from mine.toml",
        observer=Percentile(percentile=99.9),
        overrides=(
            Override(module="blocks.*", observer=MinMax()),
            Override(module_type="Linear", operator="linear", precision="fp32"),
        ),
        rewrites=("recurrence", "constant-weights", "hard-swish", "hard-sigmoid", "global-mean"),
    )


def test_python_recipe_equals_the_toml_one(tmp_path):
    code = (
        "from edgeq.compile.recipe import MinMax, Override, Percentile, extend_recipe\n"
        "def recipe():\n"
        "    return extend_recipe('int8', name='mine', summary='from mine.toml',\n"
        "        observer=Percentile(percentile=99.9), overrides=[\n"
        "            Override(module='blocks.*', observer=MinMax()),\n"
        "            Override(module_type='Linear', operator='linear', precision='fp32')])\n"
    )
    assert load_recipe(write(tmp_path, code, "mine.py")) == load_recipe(write(tmp_path, TOML))


def test_recipe_extends_a_file_beside_it_and_adds_to_its_overrides(tmp_path):
    write(tmp_path, TOML)
    own = 'per_channel = false\n[[overrides]]\nmodule = "stem"\nprecision = "fp32"\n'
    text = f'schema = 1\nextends = "./mine.toml"\n{own}'
    recipe = load_recipe(write(tmp_path, text, "more.toml"))
    base = load_recipe(str(tmp_path / "mine.toml"))
    assert recipe.name == "more"
    assert recipe.observer == base.observer
    assert recipe.per_channel is False
    assert recipe.overrides == (*base.overrides, Override(module="stem", precision="fp32"))


def test_recipe_survives_the_way_through_json(tmp_path):
    for recipe in (*RECIPES.values(), load_recipe(write(tmp_path, TOML))):
        assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe


def test_every_observer_can_be_named_with_its_settings_left_out(tmp_path):
    for kind, observer in OBSERVERS.items():
        text = f'schema = 1\nextends = "int8"\nobserver = "{kind}"\n'
        assert load_recipe(write(tmp_path, text)).observer == observer()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('observr = "mse"', "unknown key 'observr'; did you mean 'observer'?", "overrides"),
        ('observer = "mes"', "no observer 'mes'; did you mean 'mse'?", "moving-average"),
        ('observer = { kind = "mse", bin = 2048 }', "unknown key 'bin'; did you mean 'bins'?", "kind, bins"),
        ('observer = { kind = "percentile", percentile = 30 }', "`float` > 50", "quantizing"),
        ("observer = { percentile = 99 }", "observer has no kind", "histogram"),
        ('weights = "int7"', "int7", "quantizing"),
        ('per_channel = "yes"', "Expected `bool`, got `str`", "quantizing"),
        ('[[overrides]]\nmodul = "a"', "override 1: unknown key 'modul'; did you mean 'module'?", "operator"),
        ('[[overrides]]\nprecision = "fp32"', "selects nothing", "module_type"),
        ('[[overrides]]\nmodule = "a"', "changes nothing", "precision"),
        ('[[overrides]]\nmodule = "a"\nprecision = "fp32"\nobserver = "mse"', "leaves it in fp32", "remove"),
        ("overrides = 3", "overrides is not a list", "[[overrides]]"),
        ('extends = "int9"', "Cannot overwrite", "TOML"),
        ('rewrites = ["global-men"]', "no rewrite 'global-men'; did you mean 'global-mean'?", "global-mean"),
        ('rewrites = ["global-mean", "global-mean"]', "names a rewrite twice", "once"),
        ("equalize = 1", "Expected `bool`, got `int`", "quantizing"),
        ('rewrites = "global-mean"', "Expected `array`, got `str`", "quantizing"),
        ('activations = "dynamic"', "names an observer, but its activations are dynamic", "int8"),
        ('activations = "fp32"', "weights int8 with activations fp32", "both"),
        ('name = "a/b"', "not a name", "letters"),
        ('name = "int8"\nobserver = "mse"', "built-in recipe", "own"),
    ],
)
def test_wrong_recipe_is_refused_by_key(tmp_path, text, message, hint):
    error = refused(tmp_path, f'schema = 1\nextends = "int8"\n{text}\n')
    assert message in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "int8"', "schema = 1"),
        ("schema = 1", "missing required field"),
        ('schema = 1\nextends = "int88"', "did you mean 'int8'?"),
        ('schema = 1\nextends = "mine.toml"', "extends itself"),
        ('schema = 1\nextends = "gone.toml"', "no recipe file"),
        ("schema = 1\nextends = 8", "extends is not a name"),
        (
            'schema = 1\nextends = "fp32"\n[[overrides]]\nmodule = "a"\nprecision = "fp32"',
            "quantizes nothing",
        ),
        ('schema = 1\nextends = "int8-dynamic"\nobserver = "mse"', "activations are dynamic"),
        ('schema = 1\nextends = "int8-dynamic"\nbias_correction = true', "corrects biases"),
        ('schema = 1\nextends = "fp32"\nequalize = true', "quantizes nothing and is equalized"),
        ("schema = ", "Invalid value"),
    ],
)
def test_wrong_file_is_refused(tmp_path, text, message):
    assert message in refused(tmp_path, text).message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "gives no recipe"),
        ("def recipe():\n    return 5", "gave 5"),
        ("def recipe():\n    return 1 / 0", "ZeroDivisionError"),
        ("def recipe(:", "SyntaxError"),
        (
            "import msgspec\nfrom edgeq.compile.recipe import RECIPES\n"
            "def recipe():\n    return msgspec.structs.replace(RECIPES['int8'], name='x', per_channel=3)",
            "Expected `bool`",
        ),
        (
            "from edgeq.compile.recipe import extend_recipe\n"
            "def recipe():\n    return extend_recipe('int8', name='x', observr=3)",
            "no 'observr'",
        ),
    ],
)
def test_wrong_python_recipe_is_refused(tmp_path, code, message):
    assert message in refused(tmp_path, code, "mine.py").message


def test_two_recipes_of_one_name_are_refused(tmp_path):
    path = write(tmp_path, TOML)
    assert [recipe.name for recipe in load_recipes(["int8", path, path, "int8"])] == ["int8", "mine"]
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other", 'schema = 1\nextends = "int8"')
    with pytest.raises(RecipeError, match="two recipes are called 'mine'"):
        load_recipes([path, other])


def test_overrides_of_the_extended_recipe_come_first():
    first = extend_recipe("int8", name="a", overrides=[Override(module="a", observer=MovingAverage())])
    second = extend_recipe(first, name="b", overrides=[Override(module="b", observer=Histogram(bins=512))])
    assert [override.module for override in second.overrides] == ["a", "b"]
    assert find_recipe("int8").overrides == ()
