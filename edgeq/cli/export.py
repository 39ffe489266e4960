"""`edgeq export`: a workload becomes artifacts."""

from pathlib import Path

import click

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
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def export(workload: str, recipes: tuple[str, ...], out: Path, *, quiet: bool) -> None:
    """Turn WORKLOAD (a .py file, a module, a .pt2 file, or `digits`) into one artifact for each recipe.

    Prints the folder of each artifact.
    """
    from edgeq.artifact import MANIFEST, read_manifest
    from edgeq.compile.export import export_artifact, publish
    from edgeq.compile.recipe_file import load_recipes
    from edgeq.workload.loader import load_workload

    terminal = Terminal(quiet=quiet)
    asked = load_recipes(recipes)
    loaded = load_workload(workload)
    for recipe in asked:
        folder, cached = export_artifact(
            loaded, recipe, announce=terminal.announce, progress=terminal.progress
        )
        target = publish(folder, out)
        terminal.announce(f"{target.name}: {'unchanged, from the cache' if cached else 'exported'}")
        for warning in read_manifest(target / MANIFEST).warnings:
            terminal.announce(f"{target.name}: warning: {warning.message}")
        click.echo(str(target))
