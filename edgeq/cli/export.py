"""`edgeq export`: a workload becomes artifacts."""

import sys
from pathlib import Path

import click

from edgeq.cli.delegation import delegation_option
from edgeq.cli.terminal import Terminal


@click.command()
@click.argument("workload")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=("int8",),
    show_default=True,
    help="Recipe, recipe file (.toml, .py) or artifact that has it; may repeat.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), show_default=True
)
@delegation_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def export(workload: str, recipes: tuple[str, ...], out: Path, least: float | None, *, quiet: bool) -> None:
    """Turn WORKLOAD (a .py file, a module, a .pt2 file, or `digits`) into one artifact for each recipe.

    Prints the folder of each artifact. One that --require-delegation refuses is written all the same, so
    that `edgeq inspect` can show it.
    """
    from edgeq.artifact import MANIFEST, read_manifest
    from edgeq.cli.main import print_error
    from edgeq.compile.export import export_artifact, publish
    from edgeq.compile.recipe_file import load_recipes
    from edgeq.errors import GateFailed
    from edgeq.results.delegation import require_delegation
    from edgeq.workload.loader import load_workload

    failed: GateFailed | None = None
    terminal = Terminal(quiet=quiet)
    asked = load_recipes(recipes)
    loaded = load_workload(workload)
    for recipe in asked:
        folder, cached = export_artifact(
            loaded, recipe, announce=terminal.announce, progress=terminal.progress
        )
        target = publish(folder, out)
        terminal.announce(f"{target.name}: {'unchanged, from the cache' if cached else 'exported'}")
        manifest = read_manifest(target / MANIFEST)
        for warning in manifest.warnings:
            terminal.announce(f"{target.name}: warning: {warning.message}")
        click.echo(str(target))
        if least is not None:
            try:
                require_delegation(target.name, manifest.delegation, least)
            except GateFailed as error:
                failed = error
                print_error(error)
    if failed is not None:
        sys.exit(failed.exit_code)
