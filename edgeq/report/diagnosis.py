"""A diagnosis as sections: what each layer costs, how the error grows, what may help."""

from typing import Any

import tomli_w

from edgeq.report.section import Section
from edgeq.results.diagnosis.advice import LEAST_BULK, MOST_CLIPPED, name_channels
from edgeq.results.diagnosis.document import Advice, Diagnosis, LayerError, LayerLoss, Remedy, Trial
from edgeq.results.diagnosis.spread import OUTLIER_RATIO, ActivationSpread
from edgeq.results.records import Metrics

MISSING = "missing"

_MOST_DROPS = 3
_NAMED = 4
_GROWTH = ("output of", "kind", "SQNR", "drop")
_OUTLIERS = ("module", "tensor", "channels", "outliers")
_ACTIVATIONS = ("tensor", "operator", "observer", "values", "INT8 range", "clipped", "unused", "bulk")
_WEIGHTS = ("layer", "kind", "a scale for", "values", "outputs", "inputs", "unused")


def diagnosis_sections(diagnosis: Diagnosis) -> list[Section]:
    """Everything for a terminal, in the order in which it is read."""
    return [
        summary(diagnosis),
        sensitivity(diagnosis),
        growth(diagnosis),
        outliers(diagnosis),
        *([spread] if (spread := activations(diagnosis, only_odd=True)).rows else []),
        *([enough] if (enough := counts(diagnosis)).rows else []),
        advice(diagnosis),
        remedy(diagnosis),
    ]


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
            "-" if gain is None else signed(gain),
        )
        rows.append((*cells, *measured, *(_number(layer.left_out, name) for name in metrics)))
    sentences = [
        "Alone: only this layer is quantized. Left out: everything but this layer. Gain: what leaving it in "
        "FP32 gives.",
        *sorted(_reasons(diagnosis.layers)),
    ]
    title = "Layers, worst first"
    return Section(title, tuple(sentences), (*header, *(f"{name} left out" for name in metrics)), tuple(rows))


def growth(diagnosis: Diagnosis) -> Section:
    """A row for each layer's output, in order of execution."""
    rows = tuple(
        (
            each.name,
            each.kind,
            "exact" if each.sqnr_db is None else f"{each.sqnr_db:.1f} dB",
            "-" if each.drop_db is None else signed(each.drop_db),
        )
        for each in diagnosis.errors
    )
    sentences = (
        "SQNR of each output in the quantized model, on the same inputs. Drop: against the worst of what it "
        "is computed from.",
        *([f"It drops most at {_most(dropping(diagnosis))}."] if dropping(diagnosis) else []),
    )
    return Section("How the error grows, in order of execution", sentences, _GROWTH, rows)


def dropping(diagnosis: Diagnosis) -> list[LayerError]:
    """Up to three layers at which the SQNR drops most, the worst first."""
    found = [each for each in diagnosis.errors if each.drop_db is not None and each.drop_db > 0]
    return sorted(found, key=lambda each: -(each.drop_db or 0.0))[:_MOST_DROPS]


def outliers(diagnosis: Diagnosis) -> Section:
    """A row for each tensor with channels far from the others."""
    rows = [
        (each.module, f"weight, {side} channels", f"{count}", name_channels(found))
        for each in diagnosis.weights
        for side, count, found in (
            ("output", each.outputs, each.output_outliers),
            ("input", each.inputs, each.input_outliers),
        )
        if found
    ]
    rows += [
        (
            each.module,
            f"activation of {each.operator}".removesuffix(" of "),
            str(each.channels),
            name_channels(found),
        )
        for each in diagnosis.activations
        if (found := each.outliers)
    ]
    sentence = (
        f"Largest magnitude of a channel more than {OUTLIER_RATIO:g} times the median of all channels"
        + (
            ":"
            if rows
            else f": none in {len(diagnosis.weights)} weights and {len(diagnosis.activations)} activations."
        )
    )
    return Section("Outlier channels", (sentence,), _OUTLIERS, tuple(rows))


def activations(diagnosis: Diagnosis, *, only_odd: bool = False) -> Section:
    """A row for each activation; `only_odd`: for those that are clipped, or have few of the codes."""
    rows = tuple(
        (
            each.module,
            each.operator,
            each.observer,
            f"{each.low:.4g} to {each.high:.4g}",
            _int8_range(each),
            _share(each.clipped, 2),
            _share(each.unused),
            _share(each.bulk),
        )
        for each in diagnosis.activations
        if not only_odd or is_odd(each)
    )
    sentences = (
        f"On the {diagnosis.inputs} inputs. Clipped: share of the values beyond the range. Unused: share of "
        "the 256 codes that no value has. Bulk: share of the codes that 99.9% of the values lie within.",
    )
    title = "Activations that are clipped, or have few of the codes" if only_odd else "Activations"
    return Section(title, sentences, _ACTIVATIONS, rows)


def weights(diagnosis: Diagnosis) -> Section:
    """A row for each weight."""
    rows = tuple(
        (
            each.module,
            each.kind + (", depthwise" if each.is_depthwise else ""),
            "a channel" if each.per_channel else "the whole",
            f"{each.low:.4g} to {each.high:.4g}",
            str(each.outputs),
            str(each.inputs),
            _share(each.unused),
        )
        for each in diagnosis.weights
    )
    sentence = "With batch norm folded in. Unused: share of the 255 codes that no weight has."
    return Section("Weights", (sentence,), _WEIGHTS, rows)


def counts(diagnosis: Diagnosis) -> Section:
    """A row for each number of calibration samples, and one for all of them."""
    names = () if MISSING in diagnosis.eager else tuple(diagnosis.eager)
    trials = [(each.samples, each.trial) for each in diagnosis.counts]
    if trials:
        trials.append((diagnosis.calibration_samples, diagnosis.whole))
    rows = tuple(
        (str(samples), decibels(trial), _agreement(trial), *(_number(trial, name) for name in names))
        for samples, trial in trials
    )
    sentence = (
        "Ranges from the first samples of the calibration set only, judged on the same inputs. Where the "
        "last lines are alike, more samples of this kind change nothing."
    )
    header = ("samples", "SQNR", "top-1 agreement", *names)
    return Section("Calibrated on fewer samples", (sentence,), header, rows)


def _agreement(trial: Trial) -> str:
    found = trial.closeness.top1_agreement
    return "-" if found is None else f"{found:.1%}"


def is_odd(each: ActivationSpread) -> bool:
    """Whether an activation is clipped, or has few of the codes."""
    return (each.clipped or 0.0) > MOST_CLIPPED or (each.bulk is not None and each.bulk < LEAST_BULK)


def advice(diagnosis: Diagnosis) -> Section:
    """A row for each finding that may be helped, with what the change gave."""
    rows = tuple(
        (each.message, describe_change(each.change), tried(diagnosis, each)) for each in diagnosis.advice
    )
    sentence = (
        f"Each change was tried by itself; {diagnosis.recipe} has {decibels(diagnosis.whole)}."
        if rows
        else "Nothing that was seen speaks for another setting of the recipe."
    )
    return Section("What may help", (sentence,), ("evidence", "in the recipe", "tried") if rows else (), rows)


def describe_change(change: dict[str, Any]) -> str:
    """The keys of a recipe, each on its line."""
    fields = {key: value for key, value in change.items() if key != "overrides"}
    overrides = change.get("overrides", ())
    shown = [tomli_w.dumps(fields).strip()] if fields else []
    shown += [
        f"override: {', '.join(tomli_w.dumps(each).split(chr(10))[:-1])}" for each in overrides[:_NAMED]
    ]
    if len(overrides) > _NAMED:
        shown.append(f"and {len(overrides) - _NAMED} more overrides")
    return "\n".join(shown)


def tried(diagnosis: Diagnosis, given: Advice) -> str:
    """What the change gave, or why that is not known."""
    if given.trial.is_missing:
        return given.trial.closeness.missing or "-"
    difference = given.trial.sqnr_db - diagnosis.whole.sqnr_db
    return f"{decibels(given.trial)} ({signed(difference)})"


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


def _most(dropping: list[LayerError]) -> str:
    return ", ".join(f"{each.name} ({each.drop_db:.1f} dB)" for each in dropping)


def _int8_range(each: ActivationSpread) -> str:
    if each.scale is None or each.zero_point is None:
        return "at run time"
    low, high = (each.scale * (code - each.zero_point) for code in (-128, 127))
    return f"{low:.4g} to {high:.4g}"


def _share(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}%}"


def signed(difference: float) -> str:
    """A difference in dB with its sign; never -0.0."""
    return f"{round(difference, 1) + 0.0:+.1f} dB"


def _number(trial: Trial, name: str) -> str:
    value = trial.metrics.get(name)
    return "-" if value is None else f"{float(value):.4f}"


def _reasons(layers: tuple[LayerLoss, ...]) -> set[str]:
    """Why trials are missing, each reason once."""
    trials = [trial for layer in layers for trial in (layer.alone, layer.left_out)]
    return {f"-: {trial.closeness.missing}." for trial in trials if trial.is_missing}
