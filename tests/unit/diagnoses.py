"""Diagnoses for tests that need no torch."""

from hostile import TEXTS

from edgeq.results.diagnosis.document import (
    Advice,
    CountTrial,
    Diagnosis,
    LayerError,
    LayerLoss,
    Remedy,
    Trial,
    miss_trial,
)
from edgeq.results.diagnosis.spread import ActivationSpread, Histogram, OutlierChannel, WeightSpread
from edgeq.results.records import Closeness

NAMES = ("stem.0", "blocks.0.0", "blocks.0.3", "blocks.1.0", "head")
SETTINGS = {"activations": "static", "equalize": False, "bias_correction": False}
BELL = Histogram(low=-2.0, width=0.1, counts=tuple(int(400 * 0.9 ** abs(n - 20)) for n in range(41)))
FAR = (OutlierChannel(channel=3, largest=52.0, ratio=52.0),)


def make_trial(sqnr_db: float) -> Trial:
    return Trial(closeness=Closeness(samples=4, source="calibration", sqnr_db=sqnr_db), metrics={"top1": 0.9})


def make_layer(module: str, left_out: float | None, alone: float = 40.0, **changes) -> LayerLoss:
    values = {
        "module": module,
        "kind": "conv2d",
        "override": {"module": module, "precision": "fp32"},
        "macs": 100,
        "share": 0.2,
        "alone": make_trial(alone),
        "left_out": miss_trial("not tried") if left_out is None else make_trial(left_out),
    }
    return LayerLoss(**(values | changes))


def make_activation(module: str, **changes) -> ActivationSpread:
    values = {
        "module": module,
        "operator": "relu",
        "selectors": {"module": module},
        "observer": "histogram",
        "low": -2.0,
        "high": 2.1,
        "scale": 0.01,
        "zero_point": 0,
        "clipped": 0.0,
        "unused": 0.1,
        "bulk": 0.9,
        "channels": 8,
        "outliers": (),
        "histogram": BELL,
    }
    return ActivationSpread(**(values | changes))


def make_weight(module: str, **changes) -> WeightSpread:
    values = {
        "module": module,
        "kind": "conv2d",
        "per_channel": False,
        "is_depthwise": False,
        "low": -2.0,
        "high": 2.1,
        "unused": None,
        "outputs": 8,
        "inputs": 8,
        "output_outliers": (),
        "input_outliers": (),
        "histogram": BELL,
    }
    return WeightSpread(**(values | changes))


def make_diagnosis(names: tuple[str, ...] = NAMES) -> Diagnosis:
    """A diagnosis with something of everything, its layers called `names`."""
    worst, *_ = layers = tuple(make_layer(name, 25.0 - n, 24.0 + 3 * n) for n, name in enumerate(names))
    odd = make_activation(names[0], clipped=0.05, bulk=0.1, outliers=FAR)
    return Diagnosis(
        workload=names[-1],
        recipe="int8",
        settings=SETTINGS,
        versions={},
        inputs=4,
        source="calibration",
        whole=make_trial(22.0),
        eager={"top1": 0.95},
        layers=(*layers, make_layer(names[-1], None)),
        trials=(9, 12),
        seconds=3.0,
        counts=(
            CountTrial(samples=1, trial=make_trial(9.0)),
            CountTrial(samples=2, trial=miss_trial("not tried")),
        ),
        calibration_samples=3,
        errors=(
            LayerError(module=f"input {names[0]}", kind="", sqnr_db=44.0, drop_db=None),
            *(
                LayerError(module=name, kind="conv2d", sqnr_db=40.0 - 5 * n, drop_db=5.0 - n)
                for n, name in enumerate(names)
            ),
        ),
        activations=(odd, *(make_activation(name) for name in names[1:])),
        weights=(make_weight(names[0], output_outliers=FAR), *(make_weight(name) for name in names[1:])),
        advice=(
            Advice(
                code="clipped",
                message=f"more than 1% of the values are beyond the range: {names[0]} (5.0%)",
                modules=(names[0],),
                change={"equalize": True, "overrides": [worst.override] * 6},
                trial=make_trial(23.0),
            ),
        ),
        remedy=Remedy(
            layers=(worst.module,),
            overrides=(worst.override,),
            share=0.2,
            trial=worst.left_out,
            target_db=None,
        ),
        no_remedy=None,
    )


def make_hostile_diagnosis() -> Diagnosis:
    """A diagnosis of which every name is hostile."""
    return make_diagnosis(TEXTS)
