"""The model card: what the model is, how good it is, what it costs, what that rests on, and its limits.

It holds no time of its own making, so that the same package has the same card.
"""

from collections.abc import Sequence

from edgeq.artifact import TensorSpec
from edgeq.package.contents import Contents, Variant
from edgeq.package.gate import device_name
from edgeq.plain import printable
from edgeq.report.markdown import render_markdown
from edgeq.report.section import Row, Section
from edgeq.report.sections import compare_recipes, describe_device
from edgeq.results.records import Metrics, Run
from edgeq.units import format_quantity

NAME = "MODEL_CARD.md"
_NO_LICENCE = (
    "No licence was stated. Without one there is no right to use or pass on the model: ask its author."
)


def render_card(contents: Contents) -> str:
    """The card as Markdown; text of users and devices is escaped."""
    sections = [
        _model(contents),
        _evidence(contents),
        _programs(contents),
        _accuracy(contents),
        *_measurements(contents),
        _tensors("Inputs", contents.manifest.inputs, contents),
        _tensors("Outputs", contents.manifest.outputs, contents),
        _limits(contents),
    ]
    return printable(render_markdown(f"{contents.name}: model card", sections))


def _model(contents: Contents) -> Section:
    facts = contents.facts
    licence = facts.licence or ("See the licence file." if contents.licence else None)
    versions = ", ".join(f"{name} {version}" for name, version in contents.manifest.versions.items())
    return Section(
        "Model",
        (
            facts.about or "Its author gave no description.",
            f"Licence: {licence}" if licence else _NO_LICENCE,
            f"Made with {versions}. The programs need the runtime of ExecuTorch "
            f"{contents.manifest.versions.get('executorch', '(version not told)')}.",
        ),
    )


def _evidence(contents: Contents) -> Section:
    sentences = tuple(f"NOT AS MEASURED: {text}." for text in contents.exceptions)
    if not contents.runs:
        return Section(
            "What this rests on",
            (*sentences, "No run on any device: what the model does there is unknown."),
        )
    rows: tuple[Row, ...] = tuple(
        (run.id, run.artifact.recipe, device_name(run), run.created, run.standing) for run in contents.runs
    )
    sentences += tuple(
        f"NOT VALID: {run.artifact.recipe} on {device_name(run)}: {'; '.join(run.invalid)}."
        for run in contents.runs
        if run.invalid
    )
    lead = "Everything below was measured with these very programs (by SHA-256), in these runs:"
    return Section(
        "What this rests on", (*sentences, lead), ("run", "recipe", "device", "created", "status"), rows
    )


def _programs(contents: Contents) -> Section:
    rows = tuple(
        (
            variant.recipe,
            format_quantity(variant.manifest.program_bytes, "B"),
            f"{variant.manifest.delegation.delegated} of {variant.manifest.delegation.total}",
            variant.manifest.program_sha256,
        )
        for variant in contents.variants
    )
    sentences: tuple[str, ...] = ()
    if len(contents.variants) > 1:
        lead = "Which program a device is to run, by its CPU's features; the first rule that holds decides:"
        rules = tuple(
            f"{number}. {rule.recipe}, if {' and '.join(rule.needs) or 'none of the above'}: {rule.why}."
            for number, rule in enumerate(contents.rules, 1)
        )
        sentences = (lead, *rules)
    return Section("Programs", sentences, ("recipe", "size", "nodes delegated", "SHA-256"), rows)


def _accuracy(contents: Contents) -> Section:
    rows: list[Row] = []
    for variant in contents.variants:
        accuracy = variant.manifest.accuracy
        rows.append((variant.recipe, "PyTorch model", _metrics(accuracy.eager)))
        rows.append((variant.recipe, "converted model", _metrics(accuracy.converted)))
        rows.append((variant.recipe, "program, host", _metrics(accuracy.host)))
        rows += [
            (variant.recipe, f"program, {device_name(run)}", _metrics(run.artifact.accuracy.device))
            for run in variant.evidence.runs
        ]
    lead = "By the evaluation of the workload that the model came from."
    return Section("Accuracy", (lead,), ("recipe", "what answered", "result"), tuple(rows))


def _measurements(contents: Contents) -> list[Section]:
    groups: dict[str, list[Run]] = {}
    for run in contents.runs:
        groups.setdefault(device_name(run), []).append(run)
    sections = []
    for name, runs in groups.items():
        table = compare_recipes(contents.name, runs)
        sections.append(
            Section(f"Measured on {name}", describe_device(runs).sentences, table.header, table.rows)
        )
    return sections


def _tensors(title: str, specs: Sequence[TensorSpec], contents: Contents) -> Section:
    rows = tuple((spec.name, spec.dtype, spec.form, _meaning(spec, contents)) for spec in specs)
    return Section(title, (), ("name", "type", "shape", "meaning"), rows)


def _meaning(spec: TensorSpec, contents: Contents) -> str:
    if (given := contents.facts.inputs.get(spec.name)) and spec in contents.manifest.inputs:
        numbers = f"mean {_numbers(given.mean)}, scale {_numbers(given.scale)}"
        axis = f", by index of axis {given.axis}" if len(given.mean) > 1 else ""
        return f"(raw - mean) * scale with {numbers}{axis}"
    if (meant := contents.facts.outputs.get(spec.name)) and spec in contents.manifest.outputs:
        shown = ", ".join(meant.labels[:10])
        return f"{len(meant.labels)} classes: {shown}{', ...' if len(meant.labels) > 10 else ''}"
    return "not stated"


def _limits(contents: Contents) -> Section:
    own = [
        "The shapes are fixed: other sizes need another export.",
        "A number holds for the device and the conditions that it was measured on.",
    ]
    if any(run.device is not None and run.device.kind == "emulated" for run in contents.runs):
        own.append("Counts of emulated devices are instructions, not time: no latency follows from them.")
    if not any(run.device is not None and run.device.kind == "hardware" for run in contents.runs):
        own.append("It was not measured on hardware.")
    own += [text for variant in contents.variants for text in _weaknesses(variant)]
    return Section("Limits", (*contents.facts.limits, *own))


def _weaknesses(variant: Variant) -> list[str]:
    told = [f"{variant.recipe}: {warning.message}" for warning in variant.manifest.warnings]
    if (calibration := variant.manifest.calibration) is not None:
        told.append(
            f"{variant.recipe}: its ranges come from {calibration.samples} calibration samples; inputs "
            "unlike them are less accurate."
        )
    told += [
        f"{variant.recipe}: {left.count} x {left.op} runs outside the delegate: {left.reason}."
        for left in variant.manifest.delegation.left_out
    ]
    return told


def _metrics(metrics: Metrics) -> str:
    if "missing" in metrics:
        return f"not measured: {metrics['missing']}"
    return ", ".join(
        f"{name} {value:.4f}" if isinstance(value, int | float) else f"{name} {value}"
        for name, value in metrics.items()
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
