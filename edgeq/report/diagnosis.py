"""A diagnosis as sections: what each layer costs the outputs, and which to leave in FP32."""

from edgeq.report.section import Section
from edgeq.results.diagnosis.document import Diagnosis, LayerLoss, Remedy, Trial
from edgeq.results.records import Metrics

MISSING = "missing"


def diagnosis_sections(diagnosis: Diagnosis) -> list[Section]:
    """Everything for a terminal, in the order in which it is read."""
    return [summary(diagnosis), sensitivity(diagnosis), remedy(diagnosis)]


def summary(diagnosis: Diagnosis) -> Section:
    """The recipe as it is."""
    made, of = diagnosis.trials
    sentences = [
        f"Simulated on this machine: the outputs of the converted model beside those of the eager model, on "
        f"{diagnosis.inputs} {diagnosis.source} samples.",
        f"The whole recipe: {describe(diagnosis.whole, diagnosis.eager)}.",
        f"{made} of {of} trials of single layers in {diagnosis.seconds:.0f} s.",
    ]
    return Section(f"{diagnosis.workload} under {diagnosis.recipe}", tuple(sentences))


def sensitivity(diagnosis: Diagnosis) -> Section:
    """A row for each layer, worst first."""
    metrics = () if MISSING in diagnosis.eager else tuple(diagnosis.eager)
    header = ("layer", "kind", "MACs", "SQNR alone", "SQNR left out", "gain")
    rows = []
    for layer in diagnosis.layers:
        gain = diagnosis.gain_db(layer)
        cells = (layer.name, layer.kind, f"{layer.share:.1%}" if layer.macs else "-")
        measured = (
            decibels(layer.alone),
            decibels(layer.left_out),
            "-" if gain is None else f"{gain:+.1f} dB",
        )
        rows.append((*cells, *measured, *(_metric(layer, name) for name in metrics)))
    sentences = [
        "Alone: only this layer is quantized. Left out: everything but this layer. Gain: what leaving it in "
        "FP32 gives.",
        *sorted(_reasons(diagnosis.layers)),
    ]
    title = "Layers, worst first"
    return Section(title, tuple(sentences), (*header, *(f"{name} left out" for name in metrics)), tuple(rows))


def remedy(diagnosis: Diagnosis) -> Section:
    """The layers to leave in FP32, with what a trial of them gave."""
    found, title = diagnosis.remedy, "Left in FP32"
    if found is None:
        return Section(title, (f"Nothing to leave out: {diagnosis.no_remedy}.",))
    return Section(title, (describe_remedy(diagnosis, found),))


def describe_remedy(diagnosis: Diagnosis, found: Remedy) -> str:
    """What leaving the layers out gives, in a sentence."""
    return (
        f"{', '.join(found.layers)}, {found.share:.1%} of the multiply-accumulates: "
        f"{describe(found.trial, diagnosis.eager)}, instead of {decibels(diagnosis.whole)} (simulated)."
    )


def describe(trial: Trial, eager: Metrics) -> str:
    """E.g. `SQNR 24.1 dB, top-1 agreement 96.9%, top1 0.9833 (eager 0.9944)`."""
    parts = [f"SQNR {decibels(trial)}"]
    if trial.closeness.top1_agreement is not None:
        parts.append(f"top-1 agreement {trial.closeness.top1_agreement:.1%}")
    for name, value in trial.metrics.items():
        if name != MISSING:
            parts.append(f"{name} {float(value):.4f} (eager {float(eager[name]):.4f})")
    return ", ".join(parts)


def decibels(trial: Trial) -> str:
    """The SQNR of a trial; a dash where there is none."""
    if trial.is_missing:
        return "-"
    return "exact" if trial.closeness.sqnr_db is None else f"{trial.closeness.sqnr_db:.1f} dB"


def _metric(layer: LayerLoss, name: str) -> str:
    value = layer.left_out.metrics.get(name)
    return "-" if value is None else f"{float(value):.4f}"


def _reasons(layers: tuple[LayerLoss, ...]) -> set[str]:
    """Why trials are missing, each reason once."""
    trials = [trial for layer in layers for trial in (layer.alone, layer.left_out)]
    return {f"-: {trial.closeness.missing}." for trial in trials if trial.is_missing}
