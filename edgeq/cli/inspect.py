"""`edgeq inspect`: what is in an artifact."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgeq.artifact import Artifact, Manifest


@click.command()
@click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.option("--calibration", is_flag=True, help="What its ranges come from, and what they miss.")
@click.option("--json", "as_json", is_flag=True, help="The manifest, or its calibration, as it is.")
def inspect(path: Path, *, calibration: bool, as_json: bool) -> None:
    """Show inputs, outputs, layers with their precision, delegation and accuracy of ARTIFACT."""
    import msgspec

    from edgeq.artifact import load_artifact
    from edgeq.cli.coverage import render_coverage, require_coverage
    from edgeq.errors import InputError
    from edgeq.plain import printable

    artifact = load_artifact(path)
    manifest = artifact.manifest
    if manifest is None:
        raise InputError(
            f"{path} has no manifest: it was made elsewhere", hint="`edgeq bench` measures it all the same"
        )
    coverage = require_coverage(artifact, manifest) if calibration else None
    if as_json:
        parts = {"calibration": manifest.calibration, "coverage": coverage, "warnings": manifest.warnings}
        shown = parts if calibration else manifest
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    elif coverage is not None:
        click.echo(printable(render_coverage(manifest, coverage)))
    else:
        _show(artifact, manifest)


def _show(artifact: "Artifact", manifest: "Manifest") -> None:
    from tabulate import tabulate

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
    delegation = manifest.delegation
    click.echo(f"\n{delegation.delegated} of {delegation.total} nodes are delegated to XNNPACK")
    for left in delegation.left_out:
        click.echo(f"left out: {left.count} x {left.op}: {left.reason}")
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
