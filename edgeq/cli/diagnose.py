"""`edgeq diagnose`: which layers a recipe loses its accuracy in, and what to do about it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from edgeq.cache import write_atomic
from edgeq.cli.terminal import Terminal
from edgeq.errors import GateFailed, InputError

if TYPE_CHECKING:
    from edgeq.results.diagnosis.document import Diagnosis

DOCUMENT, PAGE = "diagnosis.json", "diagnosis.html"


@click.command()
@click.argument("workload")
@click.option("--recipe", default="int8", show_default=True, help="Recipe, recipe file or artifact.")
@click.option("--trials", type=click.IntRange(0), help="Trials of single layers at most [two a layer].")
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=120.0,
    show_default=True,
    help="Begin no trial of a single layer later than this.",
)
@click.option(
    "--inputs",
    type=click.IntRange(1),
    help="Calibration samples that each trial is judged on [32; 8 from 100 million MACs on].",
)
@click.option("--evaluate", is_flag=True, help="Judge each trial by the workload's evaluate() too.")
@click.option("--target-db", type=float, help="Leave out the fewest layers that reach this SQNR.")
@click.option("--worst", type=click.IntRange(1), help="Leave out so many layers, the worst first.")
@click.option(
    "--write-recipe",
    "recipe_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a recipe that leaves them in FP32 here (.toml).",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write the document and a page here."
)
@click.option("--json", "as_json", is_flag=True, help="The document instead of text.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def diagnose(
    workload: str,
    recipe: str,
    trials: int | None,
    seconds: float,
    inputs: int | None,
    target_db: float | None,
    worst: int | None,
    recipe_file: Path | None,
    out: Path | None,
    *,
    evaluate: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the layers in which WORKLOAD loses accuracy under a recipe.

    Nothing is exported, and no device is used. Each layer is quantized alone, and left out of the whole, for
    as long as the budget lasts.
    """
    from edgeq.results.diagnosis.document import encode_diagnosis

    if target_db is not None and worst is not None:
        raise InputError("--target-db and --worst cannot both be given", hint="give one of them")
    if recipe_file is not None:
        _require_new(recipe_file)
    terminal = Terminal(quiet=quiet)
    bounds: _Bounds = {"samples": inputs, "trials": trials, "seconds": seconds, "evaluate": evaluate}
    found = _find(workload, recipe, (target_db, worst), bounds, terminal)
    if out is not None:
        from edgeq.report.html.diagnosis import write_diagnosis

        write_atomic(out / DOCUMENT, encode_diagnosis(found))
        write_diagnosis(out / PAGE, found)
        terminal.announce(f"written to {out}")
    if as_json:
        click.echo(encode_diagnosis(found).decode(), nl=False)
    else:
        _show(found)
    _finish(found, recipe, recipe_file, asked_for=target_db is not None or worst is not None)


class _Bounds(TypedDict):
    """What a diagnosis may cost, and what it looks at."""

    samples: int | None
    trials: int | None
    seconds: float
    evaluate: bool


def _find(
    workload: str, recipe: str, wish: tuple[float | None, int | None], bounds: _Bounds, terminal: Terminal
) -> "Diagnosis":
    from edgeq.compile.recipe_file import load_recipe
    from edgeq.compile.silence import silence
    from edgeq.workload.loader import load_workload

    asked, loaded = load_recipe(recipe), load_workload(workload)
    with silence():
        from edgeq.compile.diagnosis.diagnose import diagnose_workload
        from edgeq.compile.diagnosis.remedy import Wish
    return diagnose_workload(
        loaded,
        asked,
        Wish(*wish),
        announce=terminal.announce,
        progress=terminal.progress,
        **bounds,
    )


def _show(found: "Diagnosis") -> None:
    from edgeq.plain import printable
    from edgeq.report.diagnosis import diagnosis_sections
    from edgeq.report.text import render_text
    from edgeq.results.diagnosis.toml import format_overrides

    click.echo(render_text(diagnosis_sections(found)))
    if found.remedy is not None:
        click.echo(printable(format_overrides(found.remedy.overrides)))


def _require_new(path: Path) -> None:
    from edgeq.compile.recipe import RECIPES

    if path.suffix != ".toml":
        raise InputError(f"--write-recipe {path}: a recipe file ends in .toml", hint="add the ending")
    if path.exists():
        raise InputError(f"--write-recipe: {path} exists", hint="remove it, or choose another name")
    if path.stem in RECIPES:
        raise InputError(
            f"--write-recipe {path}: {path.stem!r} is the name of a built-in recipe",
            hint="a recipe is called as its file is: give it a name of its own",
        )


def _finish(found: "Diagnosis", recipe: str, path: Path | None, *, asked_for: bool) -> None:
    """Write the recipe file; say no when there is no remedy, and one was asked for."""
    from edgeq.compile.recipe_text import encode_extension

    if found.remedy is None:
        if asked_for or path is not None:
            raise GateFailed(
                f"no layers of {found.workload} to leave in fp32: {found.no_remedy}",
                hint="see --target-db and --worst; the diagnosis above is complete",
            )
        return
    if path is None:
        return
    extends = recipe
    if "/" in recipe or Path(recipe).exists():
        relative = os.path.relpath(recipe, path.parent)
        extends = relative if relative.startswith("..") else f"./{relative}"
    summary = f"{found.recipe} with {len(found.remedy.layers)} layers in fp32, chosen by edgeq diagnose"
    write_atomic(path, encode_extension(extends, summary, found.remedy.overrides))
    click.echo(f"{path}: use it as --recipe {path}", err=True)
