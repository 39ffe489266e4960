"""Trials of single layers: the same outputs as a converted model, the true culprit, a budget that holds."""

import pytest
import torch
from networks import make_workload, residual_net
from torch import nn

from edgeq.compile.build import calibration_samples, first_samples
from edgeq.compile.diagnosis.sensitivity import list_parts, list_shares, measure_sensitivity
from edgeq.compile.diagnosis.study import judge, open_study, simulate
from edgeq.compile.quantization.bias_correction import CORRECTION_SAMPLES, correct_biases
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.recipe import extend_recipe, find_recipe
from edgeq.errors import RecipeError
from edgeq.results.records import Missing


@pytest.fixture(scope="module")
def workload():
    def inputs():
        return (torch.randn(1, 3, 6, 6) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1),)

    def evaluate(predict):
        torch.manual_seed(1)
        return {"sum": float(sum(predict(*inputs()).sum() for _ in range(3)))}

    return make_workload(residual_net, inputs=inputs, samples=8, evaluate=evaluate)


@pytest.fixture(scope="module")
def per_tensor(workload):
    return open_study(workload, find_recipe("int8-per-tensor"))


def convert(study, recipe):
    order = study.order
    count = order.survey.calibration.samples if order.survey else 1
    plan = apply_overrides(order.program, recipe)
    module = quantize_program(order.program, plan, calibration_samples(order), count).module
    if recipe.bias_correction:
        assert correct_biases(module, order.program, plan, first_samples(order, CORRECTION_SAMPLES)) == 3
    return module


CORRECTED = extend_recipe("int8", name="corrected", bias_correction=True)


@pytest.mark.parametrize("name", ["int8", "int8-per-tensor", "int8-dynamic", "corrected"])
def test_a_simulated_model_gives_the_outputs_of_the_converted_one(workload, per_tensor, name):
    recipe = CORRECTED if name == "corrected" else find_recipe(name)
    study = per_tensor if name == "int8-per-tensor" else open_study(workload, recipe)
    simulated, converted = simulate(study), convert(study, study.recipe)
    for leaves in study.inputs:
        assert torch.equal(simulated(*leaves), converted(*leaves))


def test_leaving_a_layer_out_is_what_the_override_does_to_a_recipe(per_tensor):
    for part in list_parts(per_tensor):
        recipe = extend_recipe(per_tensor.recipe, name="own", overrides=(part.override,))
        assert judge(per_tensor, simulate(per_tensor, [part.override]), evaluate=True) == judge(
            per_tensor, convert(per_tensor, recipe), evaluate=True
        )


def test_the_layer_with_the_outlier_weights_is_the_worst_by_both_trials(per_tensor):
    found = measure_sensitivity(per_tensor, evaluate=True)
    assert {layer.module for layer in found.layers} >= {"first", "wide", "head", ""}
    worst = found.layers[0]
    assert (worst.module, worst.kind) == ("wide", "conv2d")
    assert found.gain_db(worst) > 3
    # Each was quantized, also the one with a ReLU behind it.
    assert all(layer.alone.closeness.sqnr_db for layer in found.layers)
    assert worst.alone.sqnr_db == min(layer.alone.sqnr_db for layer in found.layers)
    assert sum(layer.share for layer in found.layers) == pytest.approx(1)
    assert worst.macs == 8 * 3 * 9 * 36
    assert isinstance(worst.left_out.metrics["sum"], float)
    assert found.trials == (2 * len(found.layers), 2 * len(found.layers))


def test_what_the_budget_left_untried_says_so(per_tensor):
    said = []
    found = measure_sensitivity(per_tensor, trials=5, announce=said.append)
    assert found.trials[0] == 5
    tried = [not isinstance(t, Missing) for layer in found.layers for t in (layer.alone, layer.left_out)]
    assert sum(tried) == 5
    assert "budget of 5 trials" in found.layers[-1].left_out.missing
    assert f"5 of {found.trials[1]} trials on 8 inputs" in said[0]
    assert measure_sensitivity(per_tensor, seconds=0.0).trials[0] <= 1


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ("fp32", "quantizes nothing"),
        ("int4-weight", "has int4 weights"),
        ("int8-qat", "trains the model"),
    ],
)
def test_a_recipe_that_cannot_be_simulated_is_refused(workload, recipe, reason):
    with pytest.raises(RecipeError, match=reason):
        open_study(workload, find_recipe(recipe))


def test_share_of_a_module_with_weights_and_children_is_that_of_all_that_its_override_reaches():
    workload = make_workload(lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (1, 4, 8))
    study = open_study(workload, find_recipe("int8-dynamic"))
    parts = {part.module: part for part in list_parts(study)}
    one = 4 * 8 * 8
    assert parts["self_attn.out_proj"].macs == one
    assert parts["self_attn"].macs == 4 * one
    assert parts["linear1"].macs == 2 * one
    order = [parts[name].override for name in ("self_attn.out_proj", "self_attn", "linear1", "linear2")]
    assert list_shares(study, order) == [1 / 8, 3 / 8, 2 / 8, 2 / 8]
    assert list_shares(study, order[1:]) == [4 / 8, 2 / 8, 2 / 8]
