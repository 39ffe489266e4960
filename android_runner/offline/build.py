"""`scripts/build-android`: build the apps offline, check them, and put them into a folder."""

import shutil
import sys
from pathlib import Path

import click

from edgeq.cli.terminal import Terminal
from edgeq.errors import EdgeqError
from offline.apk import RUNNER, build_apk, example
from offline.check import examine
from offline.parts import find_parts


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/android"),
    show_default=True,
    help="Where the apps go.",
)
@click.option(
    "--aar",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Build the example app too, with this library of `edgeq package --as aar`.",
)
def main(out: Path, aar: Path | None) -> None:
    """Build the Android apps without Gradle. They hold no ExecuTorch: they prove that all compiles."""
    terminal = Terminal()
    try:
        terminal.announce("fetching Android's stubs, dx and ExecuTorch's Java classes, if they are not here")
        parts = find_parts()
        out.mkdir(parents=True, exist_ok=True)
        for app in (RUNNER, *([example(aar)] if aar else [])):
            terminal.announce(f"building {app.package}")
            apk = build_apk(app, parts)
            facts = examine(apk)
            shutil.copy(apk, out / f"{app.package}.apk")
            click.echo(
                f"{out / f'{app.package}.apk'}: {apk.stat().st_size} bytes, {len(facts.classes)} classes, "
                f"signed ({', '.join(facts.schemes)}) with a throw-away key; no ExecuTorch inside"
            )
    except EdgeqError as error:
        click.echo(f"build-android: {error.message}", err=True)
        if error.hint:
            click.echo(f"build-android: {error.hint}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
