"""Advice of a diagnosis: each rule speaks when its evidence is there, and is silent when it is not."""

import tomllib

import msgspec
import pytest
from diagnoses import (
    FAR,
    NAMES,
    SETTINGS,
    make_activation,
    make_diagnosis,
    make_hostile_diagnosis,
    make_layer,
    make_trial,
    make_weight,
)

from edgeq.compile.recipe_text import encode_extension
from edgeq.report.diagnosis import diagnosis_sections
from edgeq.report.html.diagnosis import render_diagnosis
from edgeq.report.text import render_text
from edgeq.results.diagnosis.advice import Evidence, suggest
from edgeq.results.diagnosis.document import Diagnosis, LayerError, encode_diagnosis
from edgeq.results.diagnosis.spread import find_outliers
from edgeq.results.diagnosis.toml import format_overrides


def changes(settings=None, layers=(), activations=(), weights=()):
    """What is suggested, by code."""
    errors = [LayerError(module=name, kind="conv2d", sqnr_db=30.0, drop_db=None) for name in NAMES]
    quiet = [make_layer(name, 20.2) for name in NAMES if name not in {layer.module for layer in layers}]
    given = (make_trial(20.0), [*layers, *quiet], errors, list(activations), list(weights))
    return [(each.code, each.change) for each in suggest(Evidence({**SETTINGS, **(settings or {})}, *given))]


def test_without_evidence_there_is_no_advice():
    assert changes(activations=[make_activation("a")], weights=[make_weight("a")]) == []


def test_outlier_weights_of_one_scale_get_one_for_each_channel():
    found = [make_weight("a", output_outliers=FAR), make_weight("b", output_outliers=FAR, per_channel=True)]
    asked = {"overrides": [{"module": "a", "per_channel": True}]}
    assert changes(weights=found) == [("weight-outliers", asked)]


def test_outliers_of_input_channels_are_equalized_also_under_a_scale_for_each_output():
    found = [make_weight("a", input_outliers=FAR, per_channel=True)]
    assert changes(weights=found) == [("weight-outliers", {"equalize": True})]
    assert changes({"equalize": True}, weights=found) == []


def test_clipped_activations_get_an_observer_that_does_not_clip():
    clipped = make_activation("a", clipped=0.02)
    asked = [{"module": "a", "observer": {"kind": "min-max"}}]
    assert changes(activations=[clipped, make_activation("b", clipped=0.01)]) == [
        ("clipped", {"overrides": asked})
    ]
    # An override reaches no input: the observer of all is changed.
    shared = make_activation("input x", clipped=0.1, selectors={})
    assert changes(activations=[shared]) == [("clipped", {"observer": {"kind": "min-max"}})]
    assert changes(activations=[make_activation("a", clipped=0.02, observer="min-max")]) == []


def test_a_range_that_few_values_need_gets_one_that_fits_most():
    wide = make_activation("a", bulk=0.2, observer="mse")
    asked = {"overrides": [{"module": "a", "observer": {"kind": "percentile"}}]}
    assert changes(activations=[wide, make_activation("b", bulk=None)]) == [("wide-range", asked)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [{"equalize": True}, {"bias_correction": True}, {"equalize": True, "bias_correction": True}]),
        ({"activations": "dynamic"}, [{"equalize": True}]),
        ({"equalize": True}, [{"bias_correction": True}, {"equalize": True, "bias_correction": True}]),
        ({"equalize": True, "bias_correction": True}, []),
    ],
)
def test_bad_depthwise_layers_are_equalized_and_corrected(settings, expected):
    weights = [make_weight("blocks.0.3", is_depthwise=True)]
    found = changes(settings, [make_layer("blocks.0.3", 21.5)], weights=weights)
    assert found == [("depthwise", change) for change in expected]
    assert changes(settings, [make_layer("blocks.0.3", 20.9)], weights=weights) == []


def test_bad_layers_at_the_ends_are_left_out():
    override = {"module": "stem.0", "precision": "fp32"}
    assert changes(layers=[make_layer("stem.0", 21.0)]) == [("first-layer", {"overrides": [override]})]
    # Never left out: alone it makes half of the noise.
    assert [code for code, _ in changes(layers=[make_layer("head", None, alone=23.0)])] == ["last-layer"]
    assert changes(layers=[make_layer("head", None, alone=23.1)]) == []


def test_an_outlier_is_eight_times_the_median_of_the_channels_that_are_used():
    assert find_outliers([1.0, 1.0, 1.0, 8.0]) == ()
    (found,) = find_outliers([0.0] * 20 + [1.0, 1.0, 8.2])
    assert (found.channel, found.ratio) == (22, pytest.approx(8.2))
    assert [each.channel for each in find_outliers([1.0, 20.0, 1.0, 30.0, 1.0])] == [3, 1]
    assert find_outliers([1.0, 100.0]) == ()


def test_overrides_are_toml_whatever_the_names():
    given = [{"module": 'a"]\n[x', "precision": "fp32"}, {"operator": "add", "precision": "fp32"}]
    assert tomllib.loads(format_overrides(given))["overrides"] == given
    assert tomllib.loads(encode_extension("int8", "s", given).decode()) == {
        "schema": 1,
        "extends": "int8",
        "summary": "s",
        "overrides": given,
    }


def test_the_text_names_the_worst_the_outliers_and_where_the_error_grows():
    text = render_text(diagnosis_sections(make_diagnosis()))
    assert "It drops most at stem.0 (5.0 dB), blocks.0.0 (4.0 dB), blocks.0.3 (3.0 dB)." in text
    assert "channel 3 (52x the median)" in text
    assert "stem.0, 20.0% of the multiply-accumulates: SQNR 25.0 dB" in text
    assert "and 2 more overrides" in text
    assert "-: not tried." in text


def test_a_page_escapes_what_it_is_given_and_a_document_is_read_back():
    diagnosis = make_hostile_diagnosis()
    page = render_diagnosis(diagnosis)
    assert "<script>window" not in page
    assert "\x1b" not in page
    assert msgspec.json.decode(encode_diagnosis(diagnosis), type=Diagnosis) == diagnosis
    assert render_diagnosis(diagnosis) == page
