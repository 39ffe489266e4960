"""What a manifest says of a program, as tables."""

from edgeq.artifact import Artifact, Manifest
from edgeq.report.delegation import left_out_section, tell_macs, tell_nodes
from edgeq.report.section import Section
from edgeq.results.records import Metrics
from edgeq.units import format_quantity


def manifest_sections(artifact: Artifact, manifest: Manifest) -> list[Section]:
    """Facts first; then layers, what was left out of the delegate, and the accuracy where there is one."""
    tensors = [("input", spec) for spec in manifest.inputs] + [("output", spec) for spec in manifest.outputs]
    rows = (
        ("program", f"{format_quantity(manifest.program_bytes, 'B')}, SHA-256 {manifest.program_sha256}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
        *((f"{what} {spec.name}", f"{spec.dtype} {list(spec.shape)}") for what, spec in tensors),
        ("delegated, by nodes", tell_nodes(manifest.delegation)),
        ("delegated, by multiply-accumulates", tell_macs(manifest.delegation)),
    )
    warnings = tuple(f"Warning: {warning.message}." for warning in manifest.warnings)
    sections = [Section("What it is", warnings, ("fact", "value"), rows), _layers(manifest)]
    if manifest.delegation.left_out:
        sections.append(left_out_section(artifact.label, manifest.delegation))
    return [*sections, _accuracy(manifest)]


def _layers(manifest: Manifest) -> Section:
    rows = tuple((x.module, x.kind, x.asked, x.got, format_quantity(x.bytes, "B")) for x in manifest.layers)
    return Section("Layers", (), ("layer", "kind", "asked", "got", "weights"), rows)


def _accuracy(manifest: Manifest) -> Section:
    accuracy = manifest.accuracy
    if "missing" in accuracy.eager:
        return Section("Accuracy", (f"None: {accuracy.eager['missing']}.",))
    rows = tuple(
        (metric, *(_value(rung, metric) for rung in (accuracy.eager, accuracy.converted, accuracy.host)))
        for metric in accuracy.eager
    )
    return Section("Accuracy", (), ("metric", "eager", "converted", ".pte on the host"), rows)


def _value(rung: Metrics, metric: str) -> str:
    value = rung.get(metric)
    return f"{value:.6g}" if isinstance(value, float) else f"not measured: {rung.get('missing', 'no value')}"
