"""The accuracy ladder on this machine, and the command that shows and judges it."""

import dataclasses

import torch
from networks import make_workload
from torch import nn

from edgeq.compile.accuracy import SPARE_SAMPLES
from edgeq.compile.ladder import Eager, climb, climb_host
from edgeq.compile.subject import open_subject


class Counting(nn.Module):
    """Twice its input, and how often it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, x):
        self.asked += 1
        return 2 * x


def ask(count):
    def evaluate(predict):
        return {"sum": sum(float(predict(torch.full((1, 3), float(i))).sum()) for i in range(count))}

    return evaluate


def off_by_one(leaves):
    return [2 * leaves[0] + 1]


def test_each_rung_is_asked_once_for_each_input_and_the_eager_model_only_for_what_is_not_remembered():
    for room, again in ((1000, 0), (0, 10)):
        subject = open_subject(make_workload(Counting, (1, 3), evaluate=ask(10)))
        eager, other = Eager(subject, room), Counting()
        metrics = climb(subject, eager.answer, Eager(subject)).metrics
        before = subject.module.asked
        rung = climb(subject, lambda leaves, other=other: [other(leaves[0]) + 1], eager)
        assert other.asked == 10
        assert subject.module.asked - before == again
        assert (metrics["sum"], rung.metrics["sum"]) == (270.0, 300.0)
        assert (rung.closeness.samples, rung.closeness.max_abs_error) == (10, 1.0)


def test_evaluation_that_goes_by_the_answers_is_compared_on_its_own_inputs():
    def evaluate(predict):
        x = torch.ones(1, 3)
        for _ in range(4):
            x = predict(x)
        return {"sum": float(x.sum())}

    subject = open_subject(make_workload(Counting, (1, 3), evaluate=evaluate))
    accuracy = climb_host(subject, Counting(), off_by_one)
    assert accuracy.samples == 4
    assert accuracy.agreement["converted"].sqnr_db is None
    # Of each answer, not of what it has grown to.
    assert accuracy.agreement["host"].max_abs_error == 1.0


def test_changing_an_output_in_place_does_not_change_what_the_others_are_compared_with():
    def evaluate(predict):
        return {"sum": float(predict(torch.ones(1, 3)).zero_().sum())}

    subject = open_subject(make_workload(Counting, (1, 3), evaluate=evaluate))
    assert climb_host(subject, Counting(), off_by_one).agreement["converted"].sqnr_db is None


def test_without_an_evaluation_outputs_are_compared_on_what_the_workload_has():
    bare = make_workload(Counting, inputs=lambda: (torch.ones(1, 3),), calibration=None)
    given = dataclasses.replace(bare, calibration=lambda: [(torch.ones(1, 3),)] * 100)
    for workload, source, samples in ((bare, "reference", 1), (given, "calibration", SPARE_SAMPLES)):
        accuracy = climb_host(open_subject(workload), Counting(), off_by_one)
        assert accuracy.samples is None
        assert "missing" in accuracy.host
        host = accuracy.agreement["host"]
        assert (host.source, host.samples, host.max_abs_error) == (source, samples, 1.0)
