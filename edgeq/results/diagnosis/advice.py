"""What the evidence of a diagnosis speaks for: each finding with the change of the recipe that may help.

A rule speaks only when its evidence is there and the recipe does not have the change already. Whether it
helps here is another question: each change is tried afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.results.diagnosis.document import LayerError, LayerLoss, Trial
from edgeq.results.diagnosis.spread import ActivationSpread, OutlierChannel, WeightSpread

# A layer is bad when leaving it out gains so much; untried, when alone it makes half of the noise.
BAD_GAIN_DB = 1.0
_HALF_DB = 3.0
# More of its values than this beyond the range, and an activation is clipped.
MOST_CLIPPED = 0.01
# 99.9 % of the values within a quarter of the codes: two of eight bits are spent on the rest.
LEAST_BULK = 0.25

_NAMED = 4

Change = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """What the rules look at. `settings` is the whole recipe as plain data."""

    settings: Mapping[str, Any]
    whole: Trial
    layers: Sequence[LayerLoss]
    errors: Sequence[LayerError]
    activations: Sequence[ActivationSpread]
    weights: Sequence[WeightSpread]

    @property
    def is_static(self) -> bool:
        """Whether ranges of activations come from calibration."""
        return bool(self.settings["activations"] == "static")

    def is_bad(self, layer: LayerLoss) -> bool:
        """Whether a layer costs the outputs much."""
        if not layer.left_out.is_missing:
            return layer.left_out.sqnr_db - self.whole.sqnr_db >= BAD_GAIN_DB
        return not layer.alone.is_missing and layer.alone.sqnr_db <= self.whole.sqnr_db + _HALF_DB


@dataclass(frozen=True)
class Suggestion:
    """A finding and a change, as `Advice` has them, before the trial."""

    code: str
    message: str
    modules: tuple[str, ...]
    change: Change


def suggest(evidence: Evidence) -> list[Suggestion]:
    """All that the evidence speaks for."""
    rules = (_outlier_weights, _outlier_activations, _clipped, _wide, _depthwise, _ends)
    return [suggestion for rule in rules for suggestion in rule(evidence)]


def _outlier_weights(evidence: Evidence) -> Iterator[Suggestion]:
    shared = [each for each in evidence.weights if each.output_outliers and not each.per_channel]
    if shared:
        yield _suggest(
            "weight-outliers",
            "one scale for all output channels, and some are far larger than the others",
            [(each.module, f": {name_channels(each.output_outliers)}") for each in shared],
            {"overrides": [{"module": each.module, "per_channel": True} for each in shared]},
        )
    across = [each for each in evidence.weights if each.input_outliers and not each.is_depthwise]
    if across and not evidence.settings["equalize"]:
        yield _suggest(
            "weight-outliers",
            "weights for some input channels are far larger than the others, and share their scales",
            [(each.module, f": {name_channels(each.input_outliers)}") for each in across],
            {"equalize": True},
        )


def _outlier_activations(evidence: Evidence) -> Iterator[Suggestion]:
    found = [each for each in evidence.activations if each.outliers]
    if found and not evidence.settings["equalize"]:
        yield _suggest(
            "activation-outliers",
            "some channels of an activation are far larger than the others, and it has one scale",
            [(each.module, f": {name_channels(each.outliers)}") for each in found],
            {"equalize": True},
        )


def _clipped(evidence: Evidence) -> Iterator[Suggestion]:
    found = [each for each in evidence.activations if (each.clipped or 0.0) > MOST_CLIPPED]
    found = sorted((each for each in found if each.observer != "min-max"), key=lambda x: -(x.clipped or 0.0))
    if found:
        yield _suggest(
            "clipped",
            f"more than {MOST_CLIPPED:.0%} of the values are beyond the range that was chosen",
            [(each.module, f" ({each.clipped:.1%})") for each in found],
            _observe(found, "min-max"),
        )


def _wide(evidence: Evidence) -> Iterator[Suggestion]:
    found = [each for each in evidence.activations if each.bulk is not None and each.bulk < LEAST_BULK]
    found = sorted(found, key=lambda each: each.bulk or 0.0)
    for observer in ("mse", "percentile"):
        others = [each for each in found if each.observer != observer]
        if others:
            yield _suggest(
                "wide-range",
                f"99.9% of the values have less than {LEAST_BULK:.0%} of the 256 codes",
                [(each.module, f" ({each.bulk:.0%})") for each in others],
                _observe(others, observer),
            )


def _depthwise(evidence: Evidence) -> Iterator[Suggestion]:
    names = {each.module for each in evidence.weights if each.is_depthwise}
    found = [layer for layer in evidence.layers if layer.module in names and evidence.is_bad(layer)]
    if not found:
        return
    modules = [(layer.module, "") for layer in found]
    changes: list[Change] = [{"equalize": True}]
    if evidence.is_static:
        changes += [{"bias_correction": True}, {"equalize": True, "bias_correction": True}]
    for change in changes:
        if not all(evidence.settings[key] for key in change):
            yield _suggest("depthwise", "depthwise layers are among the worst", modules, change)


def _ends(evidence: Evidence) -> Iterator[Suggestion]:
    weighty = [layer for layer in evidence.layers if layer.macs]
    order = [each.module for each in evidence.errors]
    weighty.sort(key=lambda layer: order.index(layer.module) if layer.module in order else len(order))
    if len(weighty) < 3:
        return
    for which, layer in (("first", weighty[0]), ("last", weighty[-1])):
        if evidence.is_bad(layer):
            yield Suggestion(
                f"{which}-layer",
                f"the {which} layer, {layer.module}, is among the worst, with {layer.share:.1%} of the "
                "multiply-accumulates",
                (layer.module,),
                {"overrides": [layer.override]},
            )


def _observe(found: Sequence[ActivationSpread], kind: str) -> Change:
    """Another observer for what makes these activations; for all where an override reaches none of it."""
    if all(each.selectors for each in found):
        overrides = [{**each.selectors, "observer": {"kind": kind}} for each in found]
        return {"overrides": [each for n, each in enumerate(overrides) if each not in overrides[:n]]}
    return {"observer": {"kind": kind}}


def name_channels(outliers: Sequence[OutlierChannel]) -> str:
    """E.g. `channel 3 (52x the median)`, the farthest first."""
    shown = ", ".join(f"{each.channel} ({each.ratio:.3g}x the median)" for each in outliers[:_NAMED])
    rest = f" and {len(outliers) - _NAMED} more" if len(outliers) > _NAMED else ""
    return f"channel{'s' if len(outliers) > 1 else ''} {shown}{rest}"


def _suggest(code: str, words: str, found: Sequence[tuple[str, str]], change: Change) -> Suggestion:
    """`found`: the modules, the worst first, each with what is told of it behind its name."""
    told = [module + about for module, about in found]
    rest = [f"and {len(told) - _NAMED} more"] if len(told) > _NAMED else []
    message = f"{words}: {'; '.join([*told[:_NAMED], *rest])}"
    return Suggestion(code, message, tuple(module for module, _ in found), change)
