"""The recipes as data."""

import pytest

from edgeq.compile.recipe import DEFAULT_RECIPE, RECIPES, find_recipe
from edgeq.errors import RecipeError


def test_recipes_are_found_by_the_names_that_they_carry():
    assert [find_recipe(name).name for name in RECIPES] == list(RECIPES)


def test_unknown_recipe_lists_the_valid_ones():
    with pytest.raises(RecipeError) as caught:
        find_recipe("int4")
    assert "'int4'" in caught.value.message
    assert all(name in (caught.value.hint or "") for name in RECIPES)


def test_only_static_recipes_need_calibration():
    needing = {name for name, recipe in RECIPES.items() if recipe.needs_calibration}
    assert needing == {"int8", "int8-per-tensor"}
    assert DEFAULT_RECIPE in needing
