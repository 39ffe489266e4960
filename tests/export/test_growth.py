"""The error on its way through the network, and how values are spread: planted faults by name and number."""

import numpy as np
import pytest
import torch
from networks import Net, make_workload, residual_net
from torch import nn

from edgeq.compile.diagnosis.diagnose import diagnose_workload
from edgeq.compile.diagnosis.growth import measure_growth
from edgeq.compile.diagnosis.histogram import RunningHistogram
from edgeq.compile.diagnosis.remedy import Wish
from edgeq.compile.diagnosis.study import judge, open_study, simulate
from edgeq.compile.recipe import Percentile, extend_recipe, find_recipe


def outlier_net():
    """Output channel 5 of `stem` is 40 times the others, and `depth`, a depthwise layer, makes up for it."""
    torch.manual_seed(0)
    net = Net(
        lambda self, x: self.head(self.depth(self.norm(self.stem(x)).relu()).relu().mean([2, 3])),
        stem=nn.Conv2d(3, 16, 1),
        norm=nn.BatchNorm2d(16),
        depth=nn.Conv2d(16, 16, 3, groups=16, padding=1),
        head=nn.Linear(16, 10),
    )
    with torch.no_grad():
        net.norm.weight[5] *= 40
        net.depth.weight[5] /= 40
    return net


@pytest.fixture(scope="module")
def outliers():
    workload = make_workload(outlier_net, (1, 3, 12, 12), samples=8)
    return diagnose_workload(workload, find_recipe("int8-per-tensor"), Wish(), trials=0)


def test_the_error_grows_most_at_the_planted_layer_and_ends_at_the_models_own():
    def inputs():
        return (torch.randn(1, 3, 6, 6) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1),)

    study = open_study(make_workload(residual_net, inputs=inputs, samples=8), find_recipe("int8-per-tensor"))
    growth = measure_growth(study)
    assert [each.module for each in growth.errors] == ["input args_0", "first", "wide", "", "head"]
    assert max(growth.errors, key=lambda each: each.drop_db or 0).module == "wide"
    assert growth.suspects[0].module == "wide"
    last = judge(study, simulate(study), evaluate=False).sqnr_db
    assert growth.errors[-1].sqnr_db == pytest.approx(last, abs=1e-3)
    wide = next(each for each in growth.weights if each.module == "wide")
    assert [each.channel for each in wide.input_outliers] == [2]


def test_outlier_channels_are_named_behind_a_norm_and_in_the_activation_they_make(outliers):
    stem = outliers.weights[0]
    assert (stem.module, [each.channel for each in stem.output_outliers]) == ("stem", [5])
    assert [each.is_depthwise for each in outliers.weights] == [False, True, False]
    (far,) = [each for each in outliers.activations if each.outliers]
    assert (far.operator, far.selectors, far.channels) == ("relu", {"module": "stem"}, 16)
    assert [each.channel for each in far.outliers] == [5]


def flattened_net():
    """A convolution of 4 channels whose output is flattened: both tensors have one scale."""
    return Net(
        lambda self, x: self.head(self.conv(x).relu().flatten(1)),
        conv=nn.Conv2d(3, 4, 3),
        head=nn.Linear(4 * 6 * 6, 10),
    )


def joined_net():
    """A concatenation of 4 and 6 channels: all three tensors have one scale."""
    return Net(
        lambda self, x: self.head(torch.cat([self.left(x), self.right(x)], 1).mean([2, 3])),
        left=nn.Conv2d(3, 4, 3),
        right=nn.Conv2d(3, 6, 3),
        head=nn.Linear(10, 10),
    )


@pytest.mark.parametrize("net", [flattened_net, joined_net])
def test_tensors_of_other_channels_may_share_a_scale(net):
    study = open_study(make_workload(net, (1, 3, 8, 8), samples=4), find_recipe("int8"))
    assert 4 in {each.channels for each in measure_growth(study).activations}


def test_advice_was_tried_and_gives_what_a_recipe_with_the_change_gives(outliers):
    by_code = {each.code: each for each in outliers.advice}
    equalized = by_code["activation-outliers"]
    assert equalized.change == {"equalize": True}
    recipe = extend_recipe("int8-per-tensor", name="own", equalize=True)
    study = open_study(make_workload(outlier_net, (1, 3, 12, 12), samples=8), recipe)
    assert equalized.trial == judge(study, simulate(study), evaluate=False)
    assert by_code["weight-outliers"].change == {"overrides": [{"module": "stem", "per_channel": True}]}
    trials = [each.trial.sqnr_db for each in outliers.advice]
    assert trials == sorted(trials, reverse=True)


def test_clipping_is_counted_value_by_value_and_another_observer_tried():
    recipe = extend_recipe("int8", name="tight", observer=Percentile(percentile=90.0))
    workload = make_workload(outlier_net, (1, 3, 12, 12), samples=8)
    found = diagnose_workload(workload, recipe, Wish(), trials=0)
    entry = found.activations[0]
    low, high = (entry.scale * (code - entry.zero_point) for code in (-128.5, 127.5))
    inputs = np.concatenate([leaves[0].numpy().ravel() for leaves in open_study(workload, recipe).inputs])
    assert entry.clipped == pytest.approx(np.mean((inputs < low) | (inputs > high)), abs=1e-3)
    assert 0.08 < entry.clipped < 0.12
    advice = next(each for each in found.advice if each.code == "clipped")
    assert advice.modules[0] in {each.module for each in found.activations}
    assert advice.trial.sqnr_db > found.whole.sqnr_db + 3


def test_a_dynamic_recipe_has_no_range_to_clip_at():
    study = open_study(make_workload(outlier_net, (1, 3, 12, 12), samples=2), find_recipe("int8-dynamic"))
    growth = measure_growth(study)
    assert {each.observer for each in growth.activations} == {"dynamic"}
    assert {each.clipped for each in growth.activations} == {None}


def test_a_running_histogram_counts_as_one_that_has_seen_all_values_first():
    rng = np.random.default_rng(0)
    parts = [np.zeros(7), rng.normal(size=999), 37 * rng.normal(size=500), -rng.random(50)]
    running = RunningHistogram()
    for part in parts:
        running.add(torch.from_numpy(part))
    found = running.result(16)
    values = np.concatenate(parts)
    edges = found.low + found.width * np.arange(len(found.counts) + 1)
    assert found.counts == tuple(np.histogram(values, edges)[0])
    assert sum(found.counts) == len(values)
    assert len(found.counts) <= 16
    assert RunningHistogram().result().counts == ()
