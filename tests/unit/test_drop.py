"""How much of a metric may be lost: what a limit means, and that a gate can always fail."""

import math

import pytest

from edgeq.errors import InputError
from edgeq.results.drop import find_better, parse_drop


@pytest.mark.parametrize(
    ("text", "reference", "allowed"),
    [("1%", 0.5, 0.005), ("0.01", 0.5, 0.01), ("1pt", 0.5, 0.01), ("0", 0.5, 0)],
)
def test_a_share_is_of_the_reference_and_a_number_is_in_the_unit_of_the_metric(text, reference, allowed):
    assert parse_drop(text).judge("top1", reference, 0.5).allowed == pytest.approx(allowed)


@pytest.mark.parametrize(
    "text", ["-1%", "-0.01", "nan", "inf", "", "%", "1 %%", "off", "1e400", "9" * 400, "٣%"]
)
def test_what_is_no_drop_is_refused_with_an_example(text):
    with pytest.raises(InputError) as caught:
        parse_drop(text)
    assert "--max-drop" in caught.value.message
    assert "1%" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("metric", "value", "lost"),
    [("top1", 0.90, 0.05), ("top1", 0.97, -0.02), ("val_loss", 1.0, 0.05), ("Perplexity", 0.9, -0.05)],
)
def test_what_is_lost_goes_by_which_side_is_better_for_that_metric(metric, value, lost):
    found = parse_drop("0.02").judge(metric, 0.95, value)
    assert found.lost == pytest.approx(lost)
    assert found.within == (lost <= 0.02)


def test_exactly_what_is_allowed_passes_and_the_next_sample_more_does_not():
    assert parse_drop("0.01").judge("top1", 0.98, 0.97).within
    assert not parse_drop("0.01").judge("top1", 0.98, 0.9699).within
    assert parse_drop("1%").judge("rmse", 2.0, 2.02).within
    assert not parse_drop("1%").judge("rmse", 2.0, 2.0201).within


def test_share_of_a_negative_score_is_of_its_size():
    assert not parse_drop("1%").judge("score", -2.0, -2.1).within
    assert parse_drop("1%").judge("score", -2.0, -2.01).within


def test_value_that_is_no_number_is_not_within_any_drop():
    assert not parse_drop("1%").judge("top1", 0.9, math.nan).within
    assert not parse_drop("1%").judge("loss", 0.9, math.inf).within


@pytest.mark.parametrize("text", ["1", "100%", "0.9"])
def test_drop_that_lets_every_model_pass_is_refused(text):
    with pytest.raises(InputError, match="no model could fail"):
        parse_drop(text).judge("top1", 0.9, 0.9)


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("neg_mean_squared_error", "higher"),
        ("negative_loss", "higher"),
        ("val_neg_log_loss", "higher"),
        ("negMSE", "higher"),
        ("negative_log_likelihood", "lower"),
        ("log_likelihood", "higher"),
        ("negative_predictive_value", "higher"),
        ("false_negative_error", "lower"),
        ("cross_entropy", "lower"),
        ("CrossEntropyLoss", "lower"),
        ("valLoss", "lower"),
        ("NME", "lower"),
        ("epe", "lower"),
    ],
)
def test_negated_cost_is_better_when_higher_and_usual_costs_are_known(metric, better):
    assert find_better(metric) == better


def test_gate_stops_a_negated_error_that_doubled_and_an_entropy_too():
    assert not parse_drop("1%").judge("neg_mean_squared_error", -1.0, -2.0).within
    assert parse_drop("1%").judge("neg_mean_squared_error", -1.0, -0.5).within
    assert not parse_drop("1%").judge("cross_entropy", 1.0, 2.0).within


def test_words_decide_which_side_is_better():
    assert find_better("top1_error") == "lower"
    assert find_better("word-WER") == "lower"
    assert find_better("terror_recall") == "higher"
