"""`edgeq compare`: two sets of runs side by side, and the gate of a CI machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.errors import GateFailed

if TYPE_CHECKING:
    from edgeq.results.compare import Comparison
    from edgeq.results.records import Run


@click.command()
@click.argument("base")
@click.argument("new")
@click.option(
    "--max-regression",
    "limits",
    multiple=True,
    metavar="LIMITS",
    help="How much worse is too much: 5%, or latency=5%,memory=10%,accuracy=1pt,delegation=0,size=off.",
)
@click.option(
    "--allow", multiple=True, metavar="NAMES", help="Conditions that may differ, e.g. governor,kernel."
)
@click.option("--require", is_flag=True, help="Fail, too, when something of BASE was not measured in NEW.")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write instead of stdout."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole truth here."
)
def compare(
    base: str,
    new: str,
    limits: tuple[str, ...],
    allow: tuple[str, ...],
    form: str,
    out: Path | None,
    json_file: Path | None,
    *,
    require: bool,
) -> None:
    """Compare NEW with BASE; exit 1 only when a regression beyond a limit is proven.

    BASE and NEW are report.json files, folders of reports, baseline files, run ids of the store, or
    latest:BRANCH. Runs of the same artifact name, recipe and device profile are compared.
    """
    from edgeq.cache import write_atomic
    from edgeq.report.comparison import headline
    from edgeq.results.compare import compare_runs
    from edgeq.results.limits import parse_limits

    chosen = parse_limits(limits)
    allowed = [name.strip() for text in allow for name in text.split(",") if name.strip()]
    comparison = compare_runs(*_read_sides(base, new, whole=require), limits=chosen, allow=allowed)
    text = _render(comparison, form)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())
    if json_file is not None:
        write_atomic(json_file, _render(comparison, "json").encode())
    if comparison.outcome == "regressed":
        raise GateFailed(headline(comparison), hint="if it is meant to be so, write the baseline anew")
    if require and (lacking := comparison.list_unmeasured()):
        raise GateFailed(f"measured in BASE, but not in NEW: {'; '.join(lacking)}")


def _read_sides(base: str, new: str, *, whole: bool) -> tuple[list["Run"], list["Run"]]:
    """The runs of both sides; `latest:BRANCH` is asked for what the other side has, good runs as BASE.

    `whole`: as BASE it gives all that its branch has, so that what NEW lacks is seen.
    """
    from edgeq.cli.sources import is_latest, keys_of, list_keys, read_latest, read_runs

    if is_latest(new):
        keys = list_keys(new) if is_latest(base) else keys_of(read_runs(base))
        now = read_latest(new, keys)
    else:
        now = read_runs(new)
    if not is_latest(base):
        return read_runs(base), now
    asked = list(dict.fromkeys([*keys_of(now), *(list_keys(base) if whole else ())]))
    return read_latest(base, asked, good=True), now


def _render(comparison: "Comparison", form: str) -> str:
    import msgspec

    from edgeq.report.comparison import comparison_sections, render_comment
    from edgeq.report.text import render_text

    if form == "json":
        return msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode() + "\n"
    return render_comment(comparison) if form == "markdown" else render_text(comparison_sections(comparison))
