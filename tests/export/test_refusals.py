"""Bad input gets an error that names the thing and the remedy, and leaves nothing behind."""

import pytest
import torch
from networks import Net, export, make_workload
from torch import nn

from edgeq.cache import cache_root
from edgeq.compile.build import build_artifact
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import refusal_of, require_stateless, trace_program
from edgeq.errors import CalibrationError, ExportError, RecipeError, WorkloadError

ROW = (1, 4)


def linear() -> nn.Module:
    return nn.Linear(4, 4)


def refused(recipe="int8", kind=CalibrationError, model=linear, **functions):
    with pytest.raises(kind) as caught:
        export(make_workload(model, ROW, **functions), recipe)
    assert caught.value.hint
    return caught.value.message


def test_static_recipe_without_calibration_names_the_function_to_add():
    with pytest.raises(CalibrationError) as caught:
        export(make_workload(linear, ROW, calibration=None), "int8")
    assert "calibration()" in caught.value.hint


def test_empty_calibration_is_refused():
    assert "no samples" in refused(calibration=lambda: iter(()))


@pytest.mark.parametrize(
    ("sample", "complaint"),
    [
        ((torch.zeros(1, 5),), "expected float32[1, 4], got float32[1, 5]"),
        ((torch.zeros(1, 4, dtype=torch.float64),), "expected float32[1, 4], got float64[1, 4]"),
        ((torch.zeros(1, 4), torch.zeros(1, 4)), "expected 1 tensor"),
        (torch.zeros(1, 4), "a sample is a tuple"),
        (([0.0] * 4,), "expected 1 tensor"),
        ((torch.tensor([[1.0, float("nan"), 0, 0]]),), "NaN"),
        ((torch.tensor([[1.0, float("inf"), 0, 0]]),), "infinity"),
    ],
)
def test_bad_sample_is_named_by_its_index(sample, complaint):
    message = refused(calibration=lambda: [(torch.zeros(1, 4),), sample])
    assert "calibration sample 1" in message
    assert complaint in message


def test_calibration_that_changes_between_passes_is_refused():
    calls = []

    def calibration():
        calls.append(1)
        return [(torch.full(ROW, float(len(calls))),)] * 2

    assert "other samples" in refused(calibration=calibration)


def test_random_calibration_is_seeded_for_the_user():
    workload = make_workload(linear, ROW)
    assert export(workload, "int8").folder == export(workload, "int8").folder


@pytest.mark.parametrize(
    ("samples", "code"),
    [([torch.eye(4)[:1]], "calibration-single"), ([torch.eye(4)[:1]] * 3, "calibration-constant")],
)
def test_doubtful_calibration_is_a_warning(samples, code):
    workload = make_workload(linear, ROW, calibration=lambda: [(s,) for s in samples])
    assert [w.code for w in export(workload, "int8").manifest.warnings] == [code]


def test_unknown_recipe_is_refused_before_the_model_is_made():
    def model():
        raise AssertionError

    assert "int3" in refused("int3", RecipeError, model)


def test_model_that_is_no_module_is_refused():
    assert "returned int" in refused("fp32", WorkloadError, lambda: 5)


def test_model_that_raises_in_forward_shows_the_users_line():
    message = refused("fp32", WorkloadError, lambda: Net(lambda net, x: x.no_such_method()))
    assert "no_such_method" in message
    assert "test_refusals.py" in message


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (lambda: Net(lambda net, x: (x, 3)), "the model gave a int"),
        (lambda: Net(lambda net, x: x.bfloat16()), "bfloat16"),
        (lambda: Net(lambda net, x: x.to(torch.complex64)), "complex64"),
    ],
)
def test_outputs_that_cannot_leave_a_device_are_refused(model, complaint):
    assert complaint in refused("fp32", WorkloadError, model)


def test_input_in_bfloat16_is_refused():
    workload = make_workload(linear, inputs=lambda: (torch.zeros(1, 4, dtype=torch.bfloat16),))
    with pytest.raises(WorkloadError, match="bfloat16"):
        export(workload, "fp32")


def branch_on_data(net, x):
    if x.sum() > 0:  # the line to be shown
        return x
    return -x


def test_what_torch_export_refuses_keeps_its_message_and_shows_the_users_line():
    message = refused("fp32", ExportError, lambda: Net(branch_on_data))
    assert "torch.export refused" in message
    assert "data-dependent" in message
    assert "if x.sum() > 0:  # the line to be shown" in message


class Inverse(nn.Module):
    def forward(self, x):
        return torch.linalg.inv(x.T @ x)


class Counter(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.seen += 1
        return super().forward(x) + self.seen


class Overwriter(nn.Linear):
    def forward(self, x):
        return super().forward(x.view(4).relu_())


@pytest.mark.parametrize(
    ("model", "what"),
    [(Counter, "its buffer 'seen'"), (lambda: Overwriter(4, 4), "its input 'x'")],
)
def test_model_that_changes_its_buffer_or_its_input_is_refused_before_its_calibration(model, what):
    def calibration():
        raise AssertionError

    for recipe in ("int8", "fp32"):
        assert what in refused(recipe, ExportError, model, calibration=calibration)


def test_what_works_in_place_on_its_own_results_is_not_refused():
    norm = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(inplace=True), nn.Dropout(inplace=True)
    )
    subject = open_subject(make_workload(lambda: norm, (1, 3, 8, 8)))
    traced = trace_program(subject.module, subject.args, subject)
    assert any(node.target._schema.is_mutable for node in traced.graph.nodes if node.op == "call_function")
    require_stateless(traced, subject)


def test_what_executorch_cannot_lower_is_named_with_the_users_line():
    message = refused("fp32", ExportError, Inverse)
    assert "could not lower" in message
    assert "linalg_inv" in message
    assert "return torch.linalg.inv(x.T @ x)" in message


def evaluate_wrong_shape(predict):
    return {"x": float(predict(torch.zeros(2, 4)).sum())}


@pytest.mark.parametrize(
    ("evaluate", "complaint"),
    [
        (evaluate_wrong_shape, "expected float32[1, 4], got float32[2, 4]"),
        (lambda predict: 3, "returned 3"),
        (lambda predict: {"top1": "high"}, "'high' for 'top1'"),
        (lambda predict: {"top1": float("nan")}, "nan for 'top1', not a finite number"),
        (lambda predict: {"loss": float("inf")}, "inf for 'loss', not a finite number"),
        (lambda predict: {}, "returned {}"),
    ],
)
def test_bad_evaluation_is_refused(evaluate, complaint):
    assert complaint in refused("fp32", WorkloadError, evaluate=evaluate)


def test_refusal_without_a_line_of_the_user_tells_what_it_came_from():
    # As of ExecuTorch's pass managers: what says why is the cause of what names the pass.
    error = Exception("some pass failed")
    error.__cause__ = IndexError("no such axis")
    refusal = refusal_of("it refused", error, open_subject(make_workload(linear, ROW)))
    assert refusal.message == "it refused: Exception: some pass failed\n  because of IndexError: no such axis"
    assert "names no line" in refusal.hint


def test_failed_export_leaves_nothing_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEQ_CACHE", str(tmp_path))

    def fail_late(order, folder, announce):
        build_artifact(order, folder, announce)
        raise ExportError("at the last moment")

    monkeypatch.setattr("edgeq.compile.build.build_artifact", fail_late)
    with pytest.raises(ExportError, match="at the last moment"):
        export(make_workload(linear, ROW), "fp32")
    assert [p.name for p in (cache_root() / "artifact").iterdir() if not p.name.endswith(".lock")] == []
