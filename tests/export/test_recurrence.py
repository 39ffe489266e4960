"""Recurrent layers become linear ones: the same function, quantized under the user's module name."""

import numpy as np
import pytest
import torch
from networks import Net, export, make_workload, sqnr_db
from torch import nn
from torch.utils import _pytree as pytree

from edgeq.artifact import read_samples
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.quantization.layers import find_layers
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.recipe import Override, extend_recipe, find_recipe
from edgeq.compile.rewrites.draft import Draft
from edgeq.compile.rewrites.recurrence import rewrite_recurrences
from edgeq.compile.rewrites.rewrite import rewrite_program
from edgeq.compile.silence import silence
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program

RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn")
LENGTH, WIDTH, HIDDEN = 4, 8, 64

# Kind, settings, whether the state is given, batch: each setting with each kind, not each with each other.
FUNCTIONS = {
    "lstm": (nn.LSTM, {}, False, 1),
    "lstm, state given": (nn.LSTM, {"batch_first": True}, True, 3),
    "lstm, all": (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}, True, 2),
    "lstm, projected": (nn.LSTM, {"num_layers": 2, "proj_size": 3, "bidirectional": True}, False, 2),
    "lstm, no bias": (nn.LSTM, {"bias": False, "proj_size": 3}, True, 1),
    "gru": (nn.GRU, {"batch_first": True}, False, 1),
    "gru, all": (nn.GRU, {"num_layers": 2, "bidirectional": True}, True, 2),
    "gru, no bias": (nn.GRU, {"bias": False, "batch_first": True, "bidirectional": True}, False, 3),
    "rnn": (nn.RNN, {"batch_first": True, "num_layers": 2}, True, 2),
    "rnn, relu": (nn.RNN, {"nonlinearity": "relu", "bias": False}, False, 1),
    "lstm cell": (nn.LSTMCell, {}, True, 3),
    "lstm cell, no state": (nn.LSTMCell, {"bias": False}, False, 2),
    "gru cell": (nn.GRUCell, {}, True, 2),
    "rnn cell": (nn.RNNCell, {"nonlinearity": "relu"}, True, 1),
}


def given_state(module, settings, batch):
    lead = (settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1), batch)
    lead = (batch,) if isinstance(module, nn.RNNCellBase) else lead
    hidden = torch.randn(*lead, settings.get("proj_size", 7))
    return (hidden, torch.randn(*lead, 7)) if isinstance(module, nn.LSTM | nn.LSTMCell) else hidden


@pytest.mark.parametrize("case", FUNCTIONS)
def test_unrolled_layer_is_the_same_function(case):
    kind, settings, given, batch = FUNCTIONS[case]
    torch.manual_seed(5)
    module = kind(5, 7, **settings).eval()
    shape = (batch, 4, 5) if settings.get("batch_first") else (4, batch, 5)
    data = torch.randn((batch, 5) if isinstance(module, nn.RNNCellBase) else shape)
    args = (data, given_state(module, settings, batch)) if given else (data,)
    with torch.no_grad(), silence():
        draft = Draft(torch.export.export(module, args))
        assert rewrite_recurrences(draft) == 1
        program = draft.finish()
        expected, got = (pytree.tree_leaves(each(*args)) for each in (module, program.module()))
    assert not any(str(node.target).startswith(RECURRENT) for node in program.graph.nodes)
    for mine, theirs in zip(expected, got, strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=0, atol=1e-5)


def make_lstm(length=LENGTH):
    def model():
        rnn = nn.LSTM(WIDTH, HIDDEN, batch_first=True)
        return Net(lambda net, x: net.fc(net.rnn(x)[0][:, -1]), rnn=rnn, fc=nn.Linear(HIDDEN, 4))

    return make_workload(model, (1, length, WIDTH))


# Input and hidden weights, one byte each, and once, however many steps there are.
RNN_BYTES = 4 * HIDDEN * (WIDTH + HIDDEN)


@pytest.mark.parametrize("recipe", ["int8-dynamic", "int8"])
def test_lstm_is_quantized_by_name_and_stored_once(recipe):
    workload = make_lstm()
    artifact = export(workload, recipe)
    assert [(layer.module, layer.kind, layer.got, layer.bytes) for layer in artifact.manifest.layers] == [
        ("rnn", "lstm", "int8", RNN_BYTES),
        ("fc", "linear", "int8", 4 * HIDDEN),
    ]
    # The hidden weights, 16 kB, are used in three of the four steps; all else takes some 20 kB.
    assert artifact.info.bytes < RNN_BYTES + 4 * HIDDEN * HIDDEN + 20_000
    subject = open_subject(workload)
    for row in read_samples(artifact.folder / "inputs.safetensors"):
        leaves = [torch.from_numpy(array) for array in row]
        with torch.no_grad():
            eager = subject.module(*leaves)
        assert (
            sqnr_db(eager.numpy(), HostProgram(artifact.program, artifact.inputs).run(leaves)[0].numpy()) > 20
        )


def test_override_selects_an_lstm_as_the_operator_that_it_was():
    subject = open_subject(make_lstm())
    program = trace_program(subject.module, subject.args, subject)
    (step,) = rewrite_program(program, find_recipe("int8"))
    program = step.program
    plans = [
        apply_overrides(program, extend_recipe("int8", name="mine", overrides=[override]))
        for override in (
            Override(operator="lstm", precision="fp32"),
            Override(module="rnn", precision="fp32"),
        )
    ]
    assert plans[0].settings == plans[1].settings
    rnn, fc = find_layers(program)
    assert {plans[0].setting_of(call.node).precision for call in rnn.calls} == {"fp32"}
    assert {plans[0].setting_of(call.node).precision for call in fc.calls} == {"int8"}


def test_bidirectional_gru_is_one_layer():
    gru = lambda: Net(lambda net, x: net.g(x)[0], g=nn.GRU(8, 6, 2, bidirectional=True, batch_first=True))  # noqa: E731
    artifact = export(make_workload(gru, (1, 2, 8)), "int8-dynamic")
    weights = sum(p.numel() for p in gru().parameters() if p.dim() > 1)
    assert [(layer.module, layer.kind, layer.got, layer.bytes) for layer in artifact.manifest.layers] == [
        ("g", "gru", "int8", weights)
    ]
    assert artifact.manifest.delegation.left_out == ()
