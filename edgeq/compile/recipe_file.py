"""Recipes of the user's own: a TOML file, a Python file, or the folder of an artifact that was made by one.

A TOML recipe extends another by name or file, changes fields, and adds overrides. It is strict: an unknown
key is an error that lists the valid ones. A Python file has a function `recipe()` that returns a Recipe. What
comes out is whole: nothing of it refers to another file any more.
"""

import difflib
import runpy
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgeq.artifact import MANIFEST, read_manifest
from edgeq.compile.recipe import OBSERVERS, RECIPES, Override, Recipe, find_recipe, require_own_name
from edgeq.errors import EdgeqError, RecipeError
from edgeq.workload.loader import fault_of

RECIPE_SCHEMA = 1

_RECIPE_KEYS = ("schema", "extends", *Recipe.__struct_fields__)


def load_recipe(spec: str) -> Recipe:
    """The recipe that `spec` names: a built-in name, a `.toml` or `.py` file, or an artifact's folder.

    Raises:
        RecipeError: there is none, a key or value of it is wrong, or it takes a built-in recipe's name.
    """
    path = Path(spec)
    if spec in RECIPES or not ("/" in spec or path.suffix in (".toml", ".py") or path.is_dir()):
        return find_recipe(spec)
    return require_own_name(_read(path, ()))


def load_recipes(specs: Iterable[str]) -> list[Recipe]:
    """The recipes that `specs` name, each once.

    Raises:
        RecipeError: as `load_recipe`; or two different ones have one name.
    """
    found: dict[str, Recipe] = {}
    for spec in specs:
        recipe = load_recipe(spec)
        if found.setdefault(recipe.name, recipe) != recipe:
            raise RecipeError(
                f"two recipes are called {recipe.name!r}", hint="their artifacts would have one folder"
            )
    return list(found.values())


def _read(path: Path, extended_by: tuple[Path, ...]) -> Recipe:
    if path.resolve() in extended_by:
        raise RecipeError(f"{path} extends itself", hint="extend a recipe that stands on its own")
    if path.is_dir():
        return _from_artifact(path)
    if not path.is_file():
        raise RecipeError(f"no recipe file at {path}", hint=f"built in are {', '.join(RECIPES)}")
    if path.suffix == ".py":
        return _from_python(path)
    if path.suffix == ".toml":
        return _from_toml(path, extended_by)
    raise RecipeError(f"{path} is not a recipe", hint="a .toml file, a .py file, or an artifact's folder")


def _from_artifact(folder: Path) -> Recipe:
    """The recipe in an artifact's manifest."""
    written = dict(read_manifest(folder / MANIFEST).recipe)
    if "observer" not in written and written.get("activations") == "static":
        # Before observers could be chosen there was this one, and manifests did not say so.
        written["observer"] = {"kind": "histogram"}
    return _validated(written, f"{folder / MANIFEST}: recipe")


def _from_python(path: Path) -> Recipe:
    try:
        function = runpy.run_path(str(path)).get("recipe")
        result = function() if callable(function) else None
    except EdgeqError:
        raise
    except (Exception, SystemExit) as error:
        fault = fault_of(f"{path.name}: recipe() raised", error, path)
        raise RecipeError(fault.message, hint="fix the recipe, or run it alone in Python") from error
    if not isinstance(result, Recipe):
        raise RecipeError(
            f"{path} gives no recipe" if result is None else f"{path}: recipe() gave {result!r:.60}",
            hint="define recipe() and return a Recipe: edgeq.compile.recipe.extend_recipe makes one",
        )
    # Python checks no types; the same rules hold for it as for TOML.
    return _validated(msgspec.to_builtins(result), str(path))


def _from_toml(path: Path, extended_by: tuple[Path, ...]) -> Recipe:
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: {error}", hint="a recipe is a TOML file") from error
    _require_keys(table, _RECIPE_KEYS, str(path))
    if table.pop("schema", None) != RECIPE_SCHEMA:
        raise RecipeError(f"{path} does not say `schema = {RECIPE_SCHEMA}`", hint="add the line at the top")
    whole: dict[str, Any] = {"name": path.stem, "summary": f"from {path.name}"}
    if (extends := table.pop("extends", None)) is not None:
        whole = {**_base_of(extends, path, extended_by), **whole}
    own, base = table.pop("overrides", []), whole.get("overrides", [])
    if not isinstance(own, list):
        raise RecipeError(f"{path}: overrides is not a list", hint="write each under [[overrides]]")
    return _validated({**whole, **table, "overrides": [*base, *own]}, str(path))


def _base_of(extends: object, path: Path, extended_by: tuple[Path, ...]) -> dict[str, Any]:
    """The recipe that `path` extends, as plain data: a built-in name, or a path beside it."""
    if not isinstance(extends, str):
        raise RecipeError(f"{path}: extends is not a name", hint=f"one of {', '.join(RECIPES)}, or a file")
    if extends in RECIPES:
        base = RECIPES[extends]
    elif "/" in extends or Path(extends).suffix in (".toml", ".py"):
        base = _read(path.parent / extends, (*extended_by, path.resolve()))
    else:
        raise RecipeError(
            f"{path} extends {extends!r}, which there is not{_near(extends, RECIPES)}",
            hint=f"the recipes are {', '.join(RECIPES)}; a .toml or .py file beside it will do too",
        )
    plain: dict[str, Any] = msgspec.to_builtins(base)
    return plain


def _validated(whole: dict[str, Any], where: str) -> Recipe:
    """A Recipe of plain data, every key of it known and every value of the right type."""
    _require_keys(whole, Recipe.__struct_fields__, where)
    whole = {**whole, "observer": _full_observer(whole.get("observer"), where)}
    overrides = []
    for number, table in enumerate(whole.get("overrides", ()), start=1):
        place = f"{where}: override {number}"
        if not isinstance(table, dict):
            raise RecipeError(f"{place} is not a table", hint="write each under [[overrides]]")
        _require_keys(table, Override.__struct_fields__, place)
        overrides.append({**table, "observer": _full_observer(table.get("observer"), place)})
    try:
        return msgspec.convert({**whole, "overrides": overrides}, Recipe)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{where}: {error}", hint="docs/quantizing.md tells what each key takes") from error
    except RecipeError as error:
        raise RecipeError(f"{where}: {error.message}", hint=error.hint) from error


def _full_observer(given: object, where: str) -> object:
    """An observer as a table; its name alone stands for it with its default settings."""
    if given is None:
        return None
    table = {"kind": given} if isinstance(given, str) else given
    if not isinstance(table, dict) or not isinstance(kind := table.get("kind"), str):
        raise RecipeError(f"{where}: observer has no kind", hint=f"one of {', '.join(OBSERVERS)}")
    if kind not in OBSERVERS:
        raise RecipeError(
            f"{where}: no observer {kind!r}{_near(kind, OBSERVERS)}", hint=f"one of {', '.join(OBSERVERS)}"
        )
    _require_keys(table, ("kind", *OBSERVERS[kind].__struct_fields__), f"{where}: observer {kind}")
    return table


def _require_keys(table: Mapping[str, object], valid: Iterable[str], where: str) -> None:
    valid = tuple(valid)
    for key in table:
        if key not in valid:
            raise RecipeError(
                f"{where}: unknown key {key!r}{_near(key, valid)}", hint=f"the keys are {', '.join(valid)}"
            )


def _near(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
