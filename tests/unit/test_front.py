"""The Pareto front, and the choice of a search among what it exported."""

import itertools
import random

import pytest

from edgeq.report.rescue import rescue_sections
from edgeq.report.text import render_text
from edgeq.results.drop import parse_drop
from edgeq.results.front import dominates, find_front
from edgeq.results.records import Missing
from edgeq.results.rescue import Cost, Option, judge_options


def test_a_choice_dominates_when_it_is_nowhere_worse_and_somewhere_better():
    assert dominates((1, 2), (1, 3))
    assert not dominates((1, 2), (1, 2))
    assert not dominates((1, 3), (2, 2))


def test_of_equal_choices_the_first_is_on_the_front():
    assert find_front([(2, 2), (1, 3), (1, 3), (3, 1), (2, 4)]) == [0, 1, 3]
    assert find_front([]) == []


def test_the_front_is_what_nothing_beats_and_beats_all_the_rest():
    draw = random.Random(5)
    points = [tuple(draw.randrange(6) for _ in range(3)) for _ in range(80)]
    front = {points[place] for place in find_front(points)}
    assert not any(dominates(a, b) for a, b in itertools.permutations(front, 2))
    assert all(point in front or any(dominates(each, point) for each in front) for point in points)


def option(recipe, top1, latency=None, size=100, *, is_reference=False, flaw=None):
    drop = parse_drop("1%")
    return Option(
        recipe=recipe,
        metrics={"top1": top1},
        loss=drop.judge("top1", 0.96, top1),
        bytes=size,
        cost=Missing(missing="no device was named")
        if latency is None
        else Cost(latency=latency, unit="insn", memory=1000),
        is_reference=is_reference,
        flaw=flaw,
    )


FP32 = option("fp32", 0.96, 2000.0, 400, is_reference=True)


def judge(*options, max_slower=None):
    return judge_options("net", "virt-pi5", "int8", max_slower, [FP32, *options], [])


def test_the_cheapest_recipe_that_keeps_the_accuracy_is_the_best():
    found = judge(option("int8", 0.90, 1000.0), option("a", 0.955, 1100.0), option("b", 0.96, 1300.0))
    assert (found.best, found.meets) == ("a", True)
    assert found.front == ("int8", "a", "b")


def test_a_recipe_that_is_beaten_in_everything_is_not_on_the_front():
    found = judge(option("int8", 0.90, 1000.0), option("a", 0.89, 1100.0, 120))
    assert "a" not in found.front
    assert "int8" in found.front


def test_the_fp32_program_is_never_the_answer():
    found = judge(option("int8", 0.90, 3000.0), option("a", 0.93, 3100.0))
    assert (found.best, found.meets) == ("a", False)


@pytest.mark.parametrize(("bound", "meets"), [(1.2, True), (1.05, False)])
def test_a_recipe_that_costs_too_much_beside_the_first_does_not_meet_the_bound(bound, meets):
    found = judge(option("int8", 0.90, 1000.0), option("a", 0.955, 1100.0), max_slower=bound)
    assert found.meets is meets


def test_a_program_whose_outputs_are_off_on_the_device_is_neither_best_nor_on_the_front():
    wrong = option("int8", 0.96, 1000.0, flaw="outputs off the reference (SQNR 3.0 dB)")
    found = judge(wrong, option("a", 0.955, 1100.0), max_slower=1.3)
    assert (found.best, found.meets) == ("a", True)
    assert "int8" not in found.front
    assert "SQNR 3.0 dB" in render_text(rescue_sections(found))


def test_a_cost_that_is_unknown_meets_no_bound():
    assert not judge(option("int8", 0.90, 1000.0), option("a", 0.955), max_slower=1.3).meets
    assert not judge(option("int8", 0.90), option("a", 0.955, 1100.0), max_slower=1.3).meets


def test_the_table_says_what_was_measured_and_what_was_not():
    text = render_text(rescue_sections(judge(option("int8", 0.90, 1000.0), option("a", 0.955))))
    assert "Use a: top1 0.9550 of 0.9600 in FP32" in text
    assert "instructions (emulated)" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith(("int8 ", "a "))}
    assert all(words in rows["int8"] for words in ("1.000x", "too much"))
    assert all(words in rows["a"] for words in ("not measured", "best"))
