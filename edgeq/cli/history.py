"""`edgeq history`: a quantity over time, with the changes found in it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cli.store import store_option

if TYPE_CHECKING:
    from edgeq.results.history import History, Point

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 80


@click.command()
@click.option("--artifact", required=True, help="Artifact name.")
@click.option("--recipe", required=True, help="Recipe.")
@click.option("--device", required=True, help="Device profile.")
@click.option("--branch", help="Only runs with this branch label.")
@click.option(
    "--quantity",
    default="latency",
    show_default=True,
    help="latency, first, load, init, energy, size, arena, heap_peak, rss_peak, delegation, or a metric "
    "such as top1.",
)
@click.option(
    "--sensor",
    default="",
    help="Sensor and kind of an energy, as the first line says it [the first of the newest run].",
)
@click.option(
    "--limit", type=click.IntRange(2), default=500, show_default=True, help="The newest so many runs."
)
@click.option("--json", "as_json", is_flag=True, help="Every point, and the changes.")
@store_option
def history(
    artifact: str,
    recipe: str,
    device: str,
    branch: str | None,
    quantity: str,
    sensor: str,
    limit: int,
    *,
    as_json: bool,
    store_path: Path | None,
) -> None:
    """Show a quantity of an artifact on a device over time, and where it changed."""
    import msgspec

    from edgeq.errors import InputError
    from edgeq.results.history import trace_history
    from edgeq.results.store import Store, default_store_path

    with Store(store_path or default_store_path()) as store:
        newest_first = list(
            store.find(artifact=artifact, recipe=recipe, device=device, branch=branch, limit=limit)
        )
        labels = {run.id: store.labels(run.id) for run in newest_first}
    if not newest_first:
        raise InputError(
            f"no runs of {artifact}.{recipe} on {device} in {store.path}",
            hint="`edgeq runs list` shows what there is",
        )
    traced = trace_history(newest_first[::-1], quantity, labels, sensor=sensor)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(traced), indent=2).decode())
    else:
        _show(traced)


def _show(traced: "History") -> None:
    from tabulate import tabulate

    points = traced.points
    what = f"{traced.quantity} of {traced.where}" if traced.where else traced.quantity
    click.echo(
        f"{traced.artifact}.{traced.recipe} on {traced.device}: {what}, {len(points)} runs, "
        f"{points[0].created} to {points[-1].created}"
    )
    click.echo(_sparkline([point.value for point in points]))
    shown = range(max(0, len(points) - _WIDTH), len(points))
    starts = {change.index for change in traced.changes}
    click.echo("".join("^" if index in starts else " " for index in shown).rstrip())
    header = ("from run", "created", "commit", "runs", "median", "change", "p")
    click.echo(tabulate(_levels(traced), headers=header, disable_numparse=True))
    click.echo(f"\n{traced.method}")
    for reason, count in traced.left_out.items():
        click.echo(f"left out: {count} runs: {reason}")


def _levels(traced: "History") -> list[tuple[str, ...]]:
    """One row for each level: its beginning, its runs, and how far it is from the one before."""
    import statistics

    from edgeq.units import format_quantity

    starts = [0, *(change.index for change in traced.changes)]
    rows: list[tuple[str, ...]] = []
    for n, start in enumerate(starts):
        end = starts[n + 1] if n + 1 < len(starts) else len(traced.points)
        change = traced.changes[n - 1] if n else None
        median = statistics.median(point.value for point in traced.points[start:end])
        ratio = f"{change.ratio - 1:+.2%}" if change and change.ratio is not None else ""
        p = f"{change.p:.4f}" if change and change.p is not None else ""
        first: Point = traced.points[start]
        commit = first.labels.get("commit", "")[:10]
        value = format_quantity(median, traced.unit)
        rows.append((first.run[:12], first.created, commit, str(end - start), value, ratio, p))
    return rows


def _sparkline(values: list[float]) -> str:
    """The newest values as bars between their minimum and maximum; a constant is drawn in the middle."""
    shown = values[-_WIDTH:]
    low, high = min(shown), max(shown)
    if low == high:
        return _BARS[3] * len(shown)
    last = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * last)] for value in shown)
