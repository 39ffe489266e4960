"""What `edgeq diagnose` found: layers by what they cost the outputs, and what leaving the worst out gives.

Everything here is simulated in floating point on the host; nothing was run on a device.
"""

from typing import Any

import msgspec

from edgeq.results.diagnosis.spread import ActivationSpread, WeightSpread
from edgeq.results.records import Closeness, Metrics, Record

SCHEMA = 1


class Trial(Record, frozen=True, kw_only=True):
    """One quantized form of the model: its outputs beside the eager model's, and what `evaluate` says."""

    closeness: Closeness
    metrics: Metrics

    @property
    def is_missing(self) -> bool:
        """Whether it was not made, or gave nothing to compare; `closeness` says why."""
        return self.closeness.missing is not None

    @property
    def sqnr_db(self) -> float:
        """SQNR of the model's outputs in dB; infinite when they are the eager model's to the last bit."""
        if self.is_missing:
            return float("-inf")
        return float("inf") if self.closeness.sqnr_db is None else self.closeness.sqnr_db


def miss_trial(reason: str) -> Trial:
    """A trial that was not made, and why."""
    return Trial(closeness=Closeness(missing=reason), metrics={"missing": reason})


class LayerLoss(Record, frozen=True, kw_only=True):
    """What one layer does to the model's outputs.

    Attributes:
        module: the user's module, empty for operators of the root module.
        kind: such as `conv2d`, `linear`, `add`.
        override: keys of the override that leaves it in FP32, as a recipe has them.
        macs: multiply-accumulates of one inference; 0 for what has no weights.
        share: of the multiply-accumulates of the whole model.
        alone: only this layer quantized.
        left_out: all that the recipe quantizes, but for this layer.
    """

    module: str
    kind: str
    override: dict[str, str]
    macs: int
    share: float
    alone: Trial
    left_out: Trial

    @property
    def name(self) -> str:
        """The module; for operators of the root, which have none, their kind."""
        return self.module or f"every {self.kind}"


class Remedy(Record, frozen=True, kw_only=True):
    """Layers to leave in FP32, and what the outputs are then.

    Attributes:
        layers: their names, the worst first.
        overrides: for the recipe, in the same order.
        share: of the multiply-accumulates that are then computed in FP32.
        trial: all that the recipe quantizes, but for these layers.
        target_db: what was to be reached; None when a number of layers was asked for.
    """

    layers: tuple[str, ...]
    overrides: tuple[dict[str, str], ...]
    share: float
    trial: Trial
    target_db: float | None


class LayerError(Record, frozen=True, kw_only=True):
    """The output of a layer, or an input, in the quantized model beside the FP32 model on the same inputs.

    Attributes:
        module: the user's module, empty for operators of the root, or `input NAME`.
        kind: such as `conv2d`; empty for an input.
        sqnr_db: over all inputs; None when they are equal to the last bit.
        drop_db: by how much that is lower than the lowest of what it is computed from; None where it is
            computed from nothing that is rounded.
    """

    module: str
    kind: str
    sqnr_db: float | None
    drop_db: float | None

    @property
    def name(self) -> str:
        """The module; for operators of the root, which have none, their kind."""
        return self.module or f"every {self.kind}"


class Advice(Record, frozen=True, kw_only=True):
    """A finding, the change of the recipe that may help, and what a trial of that change gave.

    Attributes:
        code: of the kind of finding.
        message: the evidence, in words and numbers.
        modules: where it was seen, the worst first.
        change: keys of the recipe to set; `overrides` holds those of one.
        trial: of the recipe with the change; missing where it cannot be applied.
    """

    code: str
    message: str
    modules: tuple[str, ...]
    change: dict[str, Any]
    trial: Trial


class CountTrial(Record, frozen=True, kw_only=True):
    """The recipe with ranges from the first `samples` of the calibration set only."""

    samples: int
    trial: Trial


class Diagnosis(Record, frozen=True, kw_only=True):
    """A workload under a recipe.

    Attributes:
        recipe: the recipe's name, and `settings` all of it.
        inputs: on how many samples trials were judged, and `source`, where these come from.
        whole: the recipe as it is.
        eager: the metrics of the eager model.
        layers: worst first.
        trials: how many were made, of how many there could be, in `seconds`.
        counts: with ranges from fewer samples, the fewest first; `whole` has them from all of
            `calibration_samples`, which is 0 for a recipe without calibrated ranges.
        errors: how the error grows through the network, in order of execution.
        activations, weights: how their values are spread.
        advice: what the evidence speaks for, each with a trial.
        remedy: layers to leave in FP32, or None, and `no_remedy` says why.
    """

    schema: int = SCHEMA
    workload: str
    recipe: str
    settings: dict[str, Any]
    versions: dict[str, str]
    inputs: int
    source: str
    whole: Trial
    eager: Metrics
    layers: tuple[LayerLoss, ...]
    trials: tuple[int, int]
    seconds: float
    counts: tuple[CountTrial, ...] = ()
    calibration_samples: int = 0
    errors: tuple[LayerError, ...]
    activations: tuple[ActivationSpread, ...]
    weights: tuple[WeightSpread, ...]
    advice: tuple[Advice, ...]
    remedy: Remedy | None
    no_remedy: str | None

    def gain_db(self, layer: LayerLoss) -> float | None:
        """By how many dB the SQNR rises when `layer` is left in FP32; None when that was not tried."""
        if layer.left_out.is_missing:
            return None
        return layer.left_out.sqnr_db - self.whole.sqnr_db


def encode_diagnosis(diagnosis: Diagnosis) -> bytes:
    """The document as indented UTF-8 JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(diagnosis), indent=2) + b"\n"
