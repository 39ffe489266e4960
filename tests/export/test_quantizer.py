"""What observing behind ReLU6 is worth, and that it changes nothing else."""

import numpy as np
import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from networks import sqnr_db
from torch import nn

from edgeq.compile.lower import lower_program
from edgeq.compile.quantize import quantize_program
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


def quantized_with(quantizer, monkeypatch):
    monkeypatch.setattr("edgeq.compile.quantize.ClampAwareQuantizer", quantizer)
    workload = Workload("net", None, make_model, lambda: (torch.randn(1, 3, 12, 12),))
    subject = open_subject(workload)
    samples = [(torch.randn(1, 3, 12, 12),) for _ in range(SAMPLES)]
    program = trace_program(subject.module, subject.args, subject)
    converted = quantize_program(program, find_recipe("int8"), samples)
    with torch.no_grad():
        eager = np.concatenate([subject.module(*sample).numpy() for sample in samples])
        got = np.concatenate([converted(*sample).numpy() for sample in samples])
    lowered = lower_program(trace_program(converted, subject.args, subject), subject)
    return sqnr_db(eager, got), lowered


def test_observing_behind_relu6_gains_a_decibel_and_delegates_as_much(monkeypatch):
    from edgeq.compile.quantizer import ClampAwareQuantizer

    ours, ours_lowered = quantized_with(ClampAwareQuantizer, monkeypatch)
    plain, plain_lowered = quantized_with(XNNPACKQuantizer, monkeypatch)
    assert ours > plain + 1.0
    assert ours_lowered.delegation.left_out == plain_lowered.delegation.left_out == ()
    assert len(ours_lowered.delegates) == len(plain_lowered.delegates) == 1
