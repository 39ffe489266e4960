"""What observing behind ReLU6 is worth, and that it changes nothing else."""

import numpy as np
import torch
from networks import sqnr_db
from torch import nn

from edgeq.compile.lowering.lower import lower_program
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.recipe import find_recipe
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program
from edgeq.workload.loader import Workload

SAMPLES = 16


def make_model() -> nn.Module:
    layers: list[nn.Module] = []
    for channels in (3, 16, 16):
        layers += [nn.Conv2d(channels, 16, 3), nn.BatchNorm2d(16), nn.ReLU6()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 36, 10))
    for module in model:
        # Wide activations, as in a trained network: a good part of them lies beyond the clamp.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 6.0)
    return model


def quantize(recipe="int8"):
    """SQNR of the converted model, and what it is lowered to."""
    workload = Workload("net", None, make_model, lambda: (torch.randn(1, 3, 12, 12),))
    subject = open_subject(workload)
    samples = [(torch.randn(1, 3, 12, 12),) for _ in range(SAMPLES)]
    program = trace_program(subject.module, subject.args, subject)
    plan = apply_overrides(program, find_recipe(recipe))
    converted = quantize_program(program, plan, samples, SAMPLES).module
    with torch.no_grad():
        eager = np.concatenate([subject.module(*sample).numpy() for sample in samples])
        got = np.concatenate([converted(*sample).numpy() for sample in samples])
    lowered = lower_program(trace_program(converted, subject.args, subject), subject, ())
    return sqnr_db(eager, got), lowered


def test_observing_behind_relu6_gains_a_decibel_and_delegates_as_much(monkeypatch):
    ours, ours_lowered = quantize()
    monkeypatch.setattr("edgeq.compile.quantization.quantizer._CLAMPS", ())
    plain, plain_lowered = quantize()
    assert ours > plain + 1.0
    assert ours_lowered.delegation.left_out == plain_lowered.delegation.left_out == ()
    assert len(ours_lowered.delegates) == len(plain_lowered.delegates) == 1
