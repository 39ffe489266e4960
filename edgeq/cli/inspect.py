"""`edgeq inspect`: what is in an artifact."""

from pathlib import Path

import click


@click.command()
@click.argument("path", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The manifest as it is.")
def inspect(path: Path, *, as_json: bool) -> None:
    """Show inputs, outputs, layers with their precision, delegation and accuracy of ARTIFACT."""
    import msgspec
    from tabulate import tabulate

    from edgeq.artifact import load_artifact
    from edgeq.errors import InputError
    from edgeq.units import format_quantity

    artifact = load_artifact(path)
    manifest = artifact.manifest
    if manifest is None:
        raise InputError(
            f"{path} has no manifest: it was made elsewhere", hint="`edgeq bench` measures it all the same"
        )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode())
        return
    click.echo(
        f"{artifact.label}: {format_quantity(manifest.program_bytes, 'B')}, sha256 {manifest.program_sha256}"
    )
    click.echo(", ".join(f"{name} {version}" for name, version in manifest.versions.items()))
    for what, specs in (("input", manifest.inputs), ("output", manifest.outputs)):
        for spec in specs:
            click.echo(f"{what} {spec.name}: {spec.dtype} {list(spec.shape)}")
    if manifest.calibration is not None:
        click.echo(f"calibrated on {manifest.calibration.samples} samples")
    rows = [(x.module, x.kind, x.asked, x.got, format_quantity(x.bytes, "B")) for x in manifest.layers]
    click.echo(
        "\n" + tabulate(rows, headers=("layer", "kind", "asked", "got", "weights"), disable_numparse=True)
    )
    delegation = manifest.delegation
    click.echo(f"\n{delegation.delegated} of {delegation.total} nodes are delegated to XNNPACK")
    for left in delegation.left_out:
        click.echo(f"left out: {left.count} x {left.op}: {left.reason}")
