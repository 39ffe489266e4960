"""`edgeq runs`: what the store of runs holds, and reports in and out of it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click


def store_option(function: Callable[..., None]) -> Callable[..., None]:
    """The option `--store`, for every command that reads or fills a store; None is the default one."""
    return click.option(
        "--store",
        "store_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Store of runs [EDGEQ_STORE, else the user's data folder].",
    )(function)


@click.group()
def runs() -> None:
    """The store of runs: list, show, import, export."""


@runs.command("list")
@click.option("--artifact", help="Only this artifact name.")
@click.option("--recipe", help="Only this recipe.")
@click.option("--device", help="Only this device profile.")
@click.option("--branch", help="Only runs with this branch label.")
@click.option("--since", type=click.DateTime(), help="Only runs made since then (UTC).")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@store_option
def list_command(
    artifact: str | None,
    recipe: str | None,
    device: str | None,
    branch: str | None,
    since: datetime | None,
    limit: int,
    store_path: Path | None,
) -> None:
    """Stored runs, newest first."""
    from tabulate import tabulate

    from edgeq.results.store import Store, default_store_path
    from edgeq.units import format_quantity

    with Store(store_path or default_store_path()) as store:
        entries = store.entries(
            limit=limit, artifact=artifact, recipe=recipe, device=device, branch=branch, since=since
        )
        rows = []
        for entry in entries:
            labels = store.labels(entry.id)
            latency = "" if entry.latency is None else format_quantity(entry.latency, entry.unit or "1")
            rows.append(
                (
                    entry.id[:12],
                    entry.created[:19],
                    entry.status,
                    entry.artifact,
                    entry.recipe,
                    entry.device or "not reached",
                    latency,
                    labels.get("branch", ""),
                    labels.get("commit", "")[:10],
                )
            )
        if not rows:
            click.echo(f"no such runs in {store.path}")
            return
    header = ("run", "created (UTC)", "status", "artifact", "recipe", "device", "latency", "branch", "commit")
    click.echo(tabulate(rows, headers=header, disable_numparse=True))


@runs.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The whole document as it was stored.")
@store_option
def show(run_id: str, *, as_json: bool, store_path: Path | None) -> None:
    """One run: its tables, labels and conditions. ID may be the beginning of one."""
    import msgspec

    from edgeq.report.sections import report_sections
    from edgeq.report.text import render_text
    from edgeq.results.store import Store, default_store_path

    with Store(store_path or default_store_path()) as store:
        if as_json:
            click.echo(msgspec.json.format(store.document(run_id), indent=2).decode())
            return
        run, labels = store.get(run_id), store.labels(run_id)
    click.echo(f"run {run.id}, {run.status}, created {run.created}")
    click.echo("".join(f"{key}: {value}\n" for key, value in labels.items()))
    click.echo(render_text(report_sections([run])))


@runs.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Such as branch=main; may repeat."
)
@store_option
def import_command(files: tuple[Path, ...], labels: tuple[str, ...], store_path: Path | None) -> None:
    """Add the runs of FILES (report.json files, or folders that hold one); known ones are skipped."""
    from edgeq.errors import InputError
    from edgeq.report.files import JSON
    from edgeq.results.labels import parse_labels
    from edgeq.results.store import Store, default_store_path

    chosen = parse_labels(labels)
    with Store(store_path or default_store_path()) as store:
        for path in files:
            file = path / JSON if path.is_dir() else path
            try:
                done = store.import_report(file.read_bytes(), chosen)
            except OSError as error:
                raise InputError(f"cannot read {file}: {error.strerror}") from error
            except InputError as error:
                raise type(error)(f"{file}: {error.message}", hint=error.hint) from error
            click.echo(f"{file}: {done.runs} runs, {done.new} of them new")


@runs.command("export")
@click.argument("run_ids", nargs=-1, metavar="[ID]...")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File instead of stdout.")
@store_option
def export_command(run_ids: tuple[str, ...], out: Path | None, store_path: Path | None) -> None:
    """Write runs, or all of them, as one report.json without loss."""
    from edgeq.cache import write_atomic
    from edgeq.results.store import Store, default_store_path

    with Store(store_path or default_store_path()) as store:
        document = store.export(run_ids or None)
    if out is None:
        click.echo(document, nl=False)
    else:
        write_atomic(out, document)
