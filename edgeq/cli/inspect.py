"""`edgeq inspect`: what is in an artifact."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeq.cli.delegation import delegation_option

if TYPE_CHECKING:
    from edgeq.artifact import Artifact, Manifest
    from edgeq.report.section import Section


@dataclass(frozen=True)
class Wish:
    """Which tables of the program's graph are asked for."""

    tensors: bool
    channels: str | None
    memory: bool

    def __bool__(self) -> bool:
        return self.tensors or self.memory or self.channels is not None


@click.command()
@click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.option("--calibration", is_flag=True, help="What its ranges come from, and what they miss.")
@click.option("--tensors", is_flag=True, help="Dtype, shape, scale, zero point and range of each tensor.")
@click.option("--channels", metavar="MODULE", help="The scale of each channel of the weights of MODULE.")
@click.option("--memory", is_flag=True, help="The memory plan: arenas, and what is alive when.")
@click.option("--graph", type=click.Path(path_type=Path, dir_okay=False), help="Draw the graph as SVG here.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with all here.")
@delegation_option
@click.option("--json", "as_json", is_flag=True, help="The manifest, its calibration or the graph, as it is.")
def inspect(
    path: Path,
    channels: str | None,
    graph: Path | None,
    html: Path | None,
    least: float | None,
    *,
    calibration: bool,
    tensors: bool,
    memory: bool,
    as_json: bool,
) -> None:
    """Show inputs, outputs, layers with their precision, delegation and accuracy of ARTIFACT."""
    from edgeq.artifact import load_artifact
    from edgeq.errors import InputError
    from edgeq.results.delegation import require_delegation

    artifact = load_artifact(path)
    manifest = artifact.manifest
    if manifest is None:
        raise InputError(
            f"{path} has no manifest: it was made elsewhere", hint="`edgeq bench` measures it all the same"
        )
    wish = Wish(tensors, channels, memory)
    if calibration and wish:
        raise InputError("--calibration goes with none of --tensors, --channels and --memory")
    if as_json:
        _print_json(artifact, manifest, wish, calibration=calibration)
    else:
        _print_text(artifact, manifest, wish, calibration=calibration)
    if graph is not None or html is not None:
        _write_files(artifact, manifest, graph, html)
    if least is not None:
        require_delegation(artifact.label, manifest.delegation, least)


def _print_json(artifact: "Artifact", manifest: "Manifest", wish: Wish, *, calibration: bool) -> None:
    import msgspec

    from edgeq.artifact import read_graph
    from edgeq.cli.coverage import require_coverage

    shown: object = read_graph(artifact) if wish else manifest
    if calibration:
        coverage = require_coverage(artifact, manifest)
        shown = {"calibration": manifest.calibration, "coverage": coverage, "warnings": manifest.warnings}
    click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


def _print_text(artifact: "Artifact", manifest: "Manifest", wish: Wish, *, calibration: bool) -> None:
    from edgeq.cli.coverage import render_coverage, require_coverage
    from edgeq.plain import printable
    from edgeq.report.text import render_text

    if calibration:
        click.echo(printable(render_coverage(manifest, require_coverage(artifact, manifest))))
    elif wish:
        click.echo(render_text(_sections(artifact, wish)), nl=False)
    else:
        _show(artifact, manifest)


def _sections(artifact: "Artifact", wish: Wish) -> "list[Section]":
    from edgeq.artifact import read_graph
    from edgeq.report.program import channel_section, memory_sections, tensor_section

    graph = read_graph(artifact)
    sections = [tensor_section(graph)] if wish.tensors else []
    if wish.channels is not None:
        sections.append(channel_section(graph, wish.channels))
    return [*sections, *(memory_sections(graph) if wish.memory else [])]


def _write_files(artifact: "Artifact", manifest: "Manifest", graph: Path | None, html: Path | None) -> None:
    from edgeq.artifact import read_graph
    from edgeq.cache import write_atomic
    from edgeq.cli.manifest import manifest_sections
    from edgeq.report.html.graph import render_svg
    from edgeq.report.html.program import describe_graph, render_program

    program = read_graph(artifact)
    if graph is not None:
        write_atomic(graph, render_svg(program, describe_graph(artifact.label, program)).encode())
    if html is not None:
        facts, *tables = manifest_sections(artifact, manifest)
        write_atomic(html, render_program(artifact.label, facts, tables, program).encode())


def _show(artifact: "Artifact", manifest: "Manifest") -> None:
    from tabulate import tabulate

    from edgeq.plain import printable
    from edgeq.report.delegation import tell_macs, tell_nodes
    from edgeq.results.delegation import tell_left_out
    from edgeq.units import format_quantity

    click.echo(
        f"{artifact.label}: {format_quantity(manifest.program_bytes, 'B')}, sha256 {manifest.program_sha256}"
    )
    click.echo(", ".join(f"{name} {version}" for name, version in manifest.versions.items()))
    for what, specs in (("input", manifest.inputs), ("output", manifest.outputs)):
        for spec in specs:
            click.echo(f"{what} {spec.name}: {spec.dtype} {spec.form}")
    if manifest.calibration is not None:
        click.echo(
            f"calibrated on {manifest.calibration.samples} samples; --calibration shows what they cover"
        )
    rows = [(x.module, x.kind, x.asked, x.got, format_quantity(x.bytes, "B")) for x in manifest.layers]
    click.echo(
        "\n" + tabulate(rows, headers=("layer", "kind", "asked", "got", "weights"), disable_numparse=True)
    )
    click.echo(f"\ndelegated to XNNPACK, by nodes: {tell_nodes(manifest.delegation)}")
    click.echo(f"by multiply-accumulates: {tell_macs(manifest.delegation)}")
    for left in manifest.delegation.left_out:
        click.echo(printable(f"left out: {tell_left_out(left)}"))
    _show_accuracy(manifest)
    for warning in manifest.warnings:
        click.echo(f"warning: {warning.message} [{warning.code}]")


def _show_accuracy(manifest: "Manifest") -> None:
    """Each metric on the rungs that were climbed on the host."""
    accuracy = manifest.accuracy
    rungs = {"eager": accuracy.eager, "converted": accuracy.converted, ".pte on the host": accuracy.host}
    click.echo()
    if "missing" in accuracy.eager:
        click.echo(f"no accuracy: {accuracy.eager['missing']}")
        return
    for metric in accuracy.eager:
        found = {rung: metrics.get(metric) for rung, metrics in rungs.items()}
        values = (f"{rung} {value:.6g}" for rung, value in found.items() if isinstance(value, float))
        click.echo(f"{metric}: {', '.join(values)}")
