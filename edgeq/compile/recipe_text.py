"""Writes recipes as files that `load_recipe` reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edgeq.compile.recipe import RECIPES, Recipe
from edgeq.compile.recipe_file import RECIPE_SCHEMA


def encode_recipe(recipe: Recipe) -> bytes:
    """`recipe` as TOML that is read back as the same: what it extends, its name, and what differs from that.

    It extends the built-in recipe from which it differs least.
    """
    own: dict[str, Any] = msgspec.to_builtins(recipe)

    def differences(built_in: Recipe) -> dict[str, Any]:
        theirs: dict[str, Any] = msgspec.to_builtins(built_in)
        return {key: value for key, value in own.items() if value != theirs[key]}

    # TOML has no null, so what is None here must be None there, too.
    fitting = [each for each in RECIPES.values() if None not in differences(each).values()]
    nearest = min(fitting, key=lambda each: len(differences(each)))
    head = {"schema": RECIPE_SCHEMA, "extends": nearest.name, "name": recipe.name, "summary": recipe.summary}
    return msgspec.toml.encode({**head, **differences(nearest)})


def encode_extension(extends: str, summary: str, overrides: Sequence[Mapping[str, object]]) -> bytes:
    """A recipe file that adds `overrides` to the recipe, or recipe file, that `extends` names."""
    return msgspec.toml.encode(
        {"schema": RECIPE_SCHEMA, "extends": extends, "summary": summary, "overrides": list(overrides)}
    )
