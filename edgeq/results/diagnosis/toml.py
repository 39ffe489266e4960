"""A remedy as lines of a recipe file, and as a file that extends the recipe it is a remedy for."""

from collections.abc import Iterable, Mapping

import tomli_w

# The schema of recipe files; `edgeq.compile.recipe_file` reads them, and a test holds the two together.
RECIPE_SCHEMA = 1


def format_overrides(overrides: Iterable[Mapping[str, object]]) -> str:
    """The overrides as tables, ready to be pasted at the end of a recipe file."""
    return "\n".join(f"[[overrides]]\n{tomli_w.dumps(override)}" for override in overrides)


def format_recipe(extends: str, summary: str, overrides: Iterable[Mapping[str, object]]) -> str:
    """A recipe file that extends the recipe, or recipe file, that `extends` names."""
    head = tomli_w.dumps({"schema": RECIPE_SCHEMA, "extends": extends, "summary": summary})
    return f"{head}\n{format_overrides(overrides)}"
