"""`edgeq package`: artifacts become a bundle or an Android library; `verify` and `unpack` go back."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.errors import InputError

if TYPE_CHECKING:
    from edgeq.artifact import Artifact
    from edgeq.package.contents import Contents
    from edgeq.results.records import Run

_PATH = click.Path(path_type=Path)


class PackageGroup(click.Group):
    """A group whose arguments are artifacts when the first is not the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand everything to `make` unless a command is named; help is the group's own."""
        if args and args[0] not in self.commands and not {"-h", "--help"} & set(args):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=PackageGroup)
def package() -> None:
    """Package ARTIFACTS for shipping: `edgeq package ARTIFACT... --as bundle|aar --out PATH`.

    What ships is what was measured: an artifact whose accuracy or output check failed or is missing is
    refused (exit 1). `edgeq package make --help` lists the options.
    """


@package.command()
@click.argument("artifacts", nargs=-1, required=True, type=_PATH, metavar="ARTIFACT...")
@click.option("--as", "form", type=click.Choice(("bundle", "aar")), required=True, help="What to make.")
@click.option("--out", type=_PATH, required=True, help="Zip file of a bundle, folder of an Android library.")
@click.option("--facts", type=_PATH, help="TOML file with about, licence, limits, preprocessing, labels.")
@click.option("--licence", type=_PATH, help="Text file with the model's licence.")
@click.option("--report", "reports", multiple=True, type=_PATH, help="Runs from here, not from the store.")
@click.option("--store", "store_path", type=_PATH, help="Store of runs [EDGEQ_STORE, else the user's].")
@click.option("--pick", type=click.Choice(("needs", "measured")), default="needs", show_default=True)
@click.option(
    "--needs", multiple=True, metavar="RECIPE=FEATURE", help="CPU feature it asks for: dotprod, i8mm."
)
@click.option("--allow-unmeasured", is_flag=True, help="Package what was not measured; the card says so.")
@click.option("--allow-failed", is_flag=True, help="Package what failed its check; the card says so.")
@click.option("--sign", "key_path", type=_PATH, help="Ed25519 private key.")
@click.option("--java-package", help="Package of the class and Maven group (aar).")
@click.option("--java-class", help="Name of the class [the model's] (aar).")
@click.option("--version", help="Version of the library [1.0.0] (aar).")
def make(
    artifacts: tuple[Path, ...],
    form: str,
    out: Path,
    facts: Path | None,
    licence: Path | None,
    reports: tuple[Path, ...],
    store_path: Path | None,
    pick: str,
    needs: tuple[str, ...],
    key_path: Path | None,
    java_package: str | None,
    java_class: str | None,
    version: str | None,
    *,
    allow_unmeasured: bool,
    allow_failed: bool,
) -> None:
    """Make a package of ARTIFACTS: recipes of one model, the preferred one first."""
    from edgeq.package.contents import Wishes, gather, open_artifacts
    from edgeq.package.facts import Facts, read_facts

    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists", hint="choose another path, or remove it")
    if form == "bundle" and (java_package or java_class or version):
        raise InputError("--java-package, --java-class and --version are for --as aar")
    wishes = Wishes(
        facts=read_facts(facts) if facts else Facts(),
        licence=_read(licence) if licence else None,
        needs=needs,
        by_measurement=pick == "measured",
        allow_unmeasured=allow_unmeasured,
        allow_failed=allow_failed,
    )
    opened = open_artifacts(artifacts)
    contents = gather(opened, _find_runs(opened, reports, store_path), wishes)
    if form == "bundle":
        _write_bundle(contents, out, key_path)
    else:
        _write_library(contents, out, key_path, java_package, java_class, version)
    for exception in contents.exceptions:
        click.echo(f"not as measured: {exception}", err=True)


@package.command()
@click.argument("file", type=_PATH)
@click.option("--key", type=_PATH, help="Public key (.pub) that must have signed it.")
def verify(file: Path, key: Path | None) -> None:
    """Check every hash and the signature of FILE, a bundle or an .aar; exit 1 when it was changed."""
    from edgeq.package.verify import verify_package

    verified = verify_package(file, key)
    click.echo(
        f"{file}: {verified.document.kind} of {verified.document.name}, {len(verified.files)} files, whole"
    )
    click.echo(_signer(verified.signer, trusted=key is not None))


@package.command()
@click.argument("file", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="New folder to unpack into.")
@click.option("--key", type=_PATH, help="Public key (.pub) that must have signed it.")
def unpack(file: Path, out: Path, key: Path | None) -> None:
    """Verify FILE and unpack it; each recipe of a bundle is an artifact that `edgeq bench` takes."""
    from edgeq.package.verify import unpack_package

    verified = unpack_package(file, out, key)
    click.echo(f"{out}: {len(verified.files)} files")
    click.echo(_signer(verified.signer, trusted=key is not None))


def _signer(signer: str | None, *, trusted: bool) -> str:
    if signer is None:
        return "not signed: anyone could have made it"
    return f"signed by {signer}" + ("" if trusted else ", whoever that is: --key FILE says whom you trust")


def _find_runs(
    artifacts: "list[Artifact]", reports: tuple[Path, ...], store_path: Path | None
) -> "list[Run]":
    """Runs from the reports, else from the store, if there is one."""
    if reports:
        from edgeq.report.files import read_report

        return [run for path in reports for run in read_report(path).runs]
    from edgeq.results.store import Store, default_store_path

    path = store_path or default_store_path()
    if store_path is None and not path.is_file():
        return []
    with Store(path) as store:
        return [
            run
            for artifact in artifacts
            for run in store.find(artifact=artifact.info.name, recipe=artifact.info.recipe)
        ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _write_bundle(contents: "Contents", out: Path, key_path: Path | None) -> None:
    from edgeq.cache import write_atomic
    from edgeq.package.bundle import build_bundle
    from edgeq.package.signature import read_private_key

    write_atomic(out, build_bundle(contents, read_private_key(key_path) if key_path else None))
    click.echo(str(out))


def _write_library(
    contents: "Contents",
    out: Path,
    key_path: Path | None,
    java_package: str | None,
    java_class: str | None,
    version: str | None,
) -> None:
    from edgeq.cache import staging
    from edgeq.package.aar import Coordinates, build_repository
    from edgeq.package.java import name_class
    from edgeq.package.signature import read_private_key

    if java_package is None:
        raise InputError(
            "an Android library needs a package of yours", hint="say --java-package com.example.NAME"
        )
    where = Coordinates(name_class(java_package, java_class, contents.name), version or "1.0.0")
    files = build_repository(contents, where, read_private_key(key_path) if key_path else None)
    with staging(out) as folder:
        for name, data in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    click.echo(next(str(out / name) for name in files if name.endswith(".aar")))
    click.echo(f'settings.gradle.kts:   maven {{ url = uri("{out.absolute()}") }}')
    click.echo(f'app/build.gradle.kts:  implementation("{where.gradle(contents.name)}")')
