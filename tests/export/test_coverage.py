"""The calibration report: what it says of the ranges, and where it is shown."""

import json
import math
import re

import numpy
import pytest
import torch
from click.testing import CliRunner
from networks import Net, make_workload
from torch import nn

from edgeq.cli.inspect import inspect
from edgeq.compile.calibration.calibrate import survey_calibration
from edgeq.compile.calibration.classes import ClassCount, cover_classes
from edgeq.compile.calibration.coverage import Watch, describe_coverage, doubt_coverage
from edgeq.compile.quantization.overrides import apply_overrides
from edgeq.compile.quantization.quantize import quantize_program
from edgeq.compile.recipe import MinMax, Percentile, extend_recipe
from edgeq.compile.subject import open_subject
from edgeq.compile.trace import trace_program

SHAPE = (1, 16)


def samples(*scales):
    """Even values from -scale to scale, one sample each."""
    return [(torch.linspace(-1, 1, 16)[None] * scale,) for scale in scales]


class Identity(nn.Module):
    """A linear layer that gives its input back."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 16, bias=False)
        nn.init.eye_(self.fc.weight)

    def forward(self, x):
        return self.fc(x)


def seen(given, observer=None, evaluated=None):
    """The report on `given`, and the warnings; nothing is lowered."""
    recipe = extend_recipe("int8", name="mine", observer=observer or MinMax())
    workload = make_workload(Identity, inputs=lambda: given[0], calibration=lambda: given)
    subject = open_subject(workload)
    inquiry = survey_calibration(subject, recipe).inquiry
    program = trace_program(subject.module, subject.args, subject)
    watch = quantize_program(program, apply_overrides(program, recipe), given, len(given)).watch
    coverage = describe_coverage(watch, inquiry, evaluated or ClassCount())
    return coverage, {each.code: each for each in (*inquiry.warnings(), *doubt_coverage(coverage))}


@pytest.fixture(scope="module")
def growing():
    """Ten samples; the last two, which are held out, are twice as large as those before."""
    return seen(samples(0.5, 0.8, 0.95, 1, 0.2, 0.3, 0.4, 0.5, 2, 1.5))


def test_ranges_are_those_of_the_data_and_of_the_program(growing):
    first, second = growing[0].ranges
    assert (first.module, first.operator, first.observer) == ("input x", "", "min-max")
    assert (second.module, second.operator) == ("fc", "linear")
    assert (first.low, first.high) == (-2, 2)
    assert first.scale == pytest.approx(4 / 255, rel=1e-3)
    assert abs(first.zero_point) <= 1


def test_held_out_samples_are_judged_by_the_ranges_before_them(growing):
    assert growing[0].held_out == 2
    first = growing[0].ranges[0]
    assert first.beyond == pytest.approx(0.5)  # 1 past an extent of 2
    # Of 16 values from -s to s those beyond 1: 8 of s = 2, 6 of s = 1.5.
    assert first.saturation == pytest.approx(14 / 32)
    assert first.unused == pytest.approx(0, abs=1e-6)


def test_growth_is_the_share_of_the_final_extent(growing):
    coverage = growing[0]
    assert coverage.checkpoints == (1, 2, 3, 4, 6, 8, 10)
    assert coverage.growth == pytest.approx((0.25, 0.4, 0.475, 0.5, 0.5, 0.5, 1.0), rel=0.02)
    assert coverage.enough == 10


def test_new_extremes_and_clipping_are_warnings_that_name_the_layers(growing):
    found = growing[1]
    assert set(found) == {"calibration-growing", "calibration-saturation"}
    assert "fc (50.0%)" in found["calibration-growing"].message
    assert found["calibration-growing"].facts["ranges"] == 2
    assert "input x (43.8%)" in found["calibration-saturation"].message


def test_samples_that_settle_early_raise_no_doubt():
    coverage, warnings = seen(samples(1, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92, 0.5))
    assert warnings == {}
    assert coverage.enough == 1
    assert coverage.ranges[0].saturation == 0
    assert coverage.ranges[0].unused == pytest.approx(0.08, abs=0.01)


def test_clipping_observer_shows_as_saturation():
    coverage, warnings = seen(samples(*[1 + 0.001 * step for step in range(10)]), Percentile(percentile=80))
    assert coverage.ranges[0].saturation > 0.05
    assert list(warnings) == ["calibration-saturation"]


def test_few_samples_have_nothing_held_out():
    coverage, warnings = seen(samples(1, 0.9, 0.8, 0.7))
    assert coverage.held_out == 0
    assert coverage.ranges[0].saturation is None
    assert list(warnings) == ["calibration-few"]


def by_class(*counts):
    """Samples that `Identity` puts into class 0, 1, ...: so many of each."""
    rows = torch.eye(16)
    return [(rows[label][None],) for label, count in enumerate(counts) for _ in range(count)]


def counted(*counts):
    """The classes of an evaluation on such samples."""
    count = ClassCount()
    for (sample,) in by_class(*counts):
        count.add([sample.numpy()])
    return count


def test_classes_that_calibration_lacks_are_named_with_their_share():
    coverage, warnings = seen(by_class(20, 0, 20, 0, 20), evaluated=counted(30, 20, 25, 5, 20))
    classes = coverage.classes
    assert (classes.classes, classes.calibrated, classes.evaluated) == (16, 3, 5)
    assert (classes.missing, classes.missing_share) == ((1, 3), 0.25)
    # The class of 5 % is the only one that 60 draws would leave out now and then.
    assert classes.expected_share == pytest.approx(0.05 * 0.95**60, rel=1e-3)
    assert "2 of the 5 classes" in warnings["calibration-classes"].message
    assert "25% of its samples: 1, 3;" in warnings["calibration-classes"].message


def test_small_set_is_not_blamed_for_classes_that_it_has_no_room_for():
    coverage, warnings = seen(by_class(*[1] * 6), evaluated=counted(*[10] * 16))
    assert coverage.classes.missing_share == pytest.approx(10 / 16)
    assert coverage.classes.expected_share == pytest.approx((15 / 16) ** 6)
    assert "calibration-classes" not in warnings


def test_classes_without_an_evaluation_are_counted_and_not_judged():
    coverage, warnings = seen(by_class(20, 20))
    assert coverage.classes.calibrated == 2
    assert (coverage.classes.evaluated, coverage.classes.missing_share) == (None, None)
    assert "calibration-classes" not in warnings


def test_outputs_that_are_no_scores_of_classes_are_not_counted():
    count = ClassCount()
    count.add([numpy.zeros((1, 2, 6, 6), numpy.float32), numpy.zeros((1, 5), numpy.int64)])
    assert cover_classes(count, counted(1)) is None


def test_digits_are_covered_without_a_warning(digits_int8):
    manifest = digits_int8.manifest
    assert manifest.warnings == ()
    assert doubt_coverage(manifest.coverage) == ()
    assert [each.module for each in manifest.coverage.ranges] == [
        "input images", "stem.2", *(f"blocks.{b}.{c}" for b in range(3) for c in (2, 5)), "mean", "head",
    ]  # fmt: skip
    assert manifest.coverage.held_out == 25
    assert 3 < manifest.coverage.enough < 128
    classes = manifest.coverage.classes
    assert (classes.classes, classes.calibrated, classes.evaluated, classes.missing) == (10, 10, 10, ())
    for each in manifest.coverage.ranges:
        assert each.high <= 6 or each.module == "head"
        assert each.low <= 0 <= each.high


def test_infinite_values_do_not_reach_the_report():
    given = [(sample.clone(),) for (sample,) in samples(*range(1, 7))]
    hiding = Net(lambda net, x: net.fc(x) + torch.where(x > 0.9, float("inf"), 0.0), fc=nn.Linear(16, 16))
    workload = make_workload(lambda: hiding, inputs=lambda: given[0], calibration=lambda: given)
    subject = open_subject(workload)
    program = trace_program(subject.module, subject.args, subject)
    plan = apply_overrides(program, extend_recipe("int8", name="mine"))
    for each in quantize_program(program, plan, given, len(given)).watch.ranges:
        assert all(map(math.isfinite, (each.low, each.high, each.scale, each.beyond, each.saturation)))


def test_inspect_shows_the_report_as_text_and_json(digits_int8):
    folder = str(digits_int8.folder)
    text = CliRunner().invoke(inspect, [folder, "--calibration"]).output
    assert "calibrated on 128 samples" in text
    assert re.search(r"^blocks\.2\.5 +hardtanh +histogram", text, re.MULTILINE)
    assert "held out: the last 25 samples" in text
    assert "finds 10 of its 10 classes in them, and all 10 that it finds in the evaluation" in text
    shown = json.loads(CliRunner().invoke(inspect, [folder, "--calibration", "--json"]).output)
    assert shown["calibration"]["samples"] == 128
    assert len(shown["coverage"]["ranges"]) == 10
    assert shown["warnings"] == []
    assert json.loads(CliRunner().invoke(inspect, [folder, "--json"]).output)["coverage"] == shown["coverage"]


def test_inspect_of_a_program_without_calibration_says_so(digits_fp32):
    result = CliRunner().invoke(inspect, [str(digits_fp32.folder), "--calibration"])
    assert "takes no ranges from data" in str(result.exception)


def test_watch_keeps_as_much_for_a_million_samples_as_for_a_hundred_of_them():
    watch = Watch(torch.fx.symbolic_trace(nn.ReLU()), 1_000_000)
    assert len(watch.checkpoints) < 45


def test_values_below_what_the_least_scale_holds_are_a_warning():
    coverage, warnings = seen(samples(*[0.002] * 5))
    assert coverage.ranges[0].scale == 2**-12
    assert "input x (6.4%)" in warnings["calibration-floor"].message
    assert "calibration-floor" not in seen(samples(*[1] * 5))[1]
