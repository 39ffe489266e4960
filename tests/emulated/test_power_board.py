"""Sampling on a board whose clock counts instructions: a sensor of known power, and what sampling costs."""

from dataclasses import replace

import energy
import pytest
import trust

pytestmark = [pytest.mark.emulated, pytest.mark.export]


@pytest.fixture(scope="module")
def check(board):
    return energy.check_board(board.link, board.profile)


def test_energy_of_a_known_sensor_is_found_within_two_percent(check):
    assert check.energy.gross.value == pytest.approx(check.known, rel=0.02)
    assert check.energy.gross.low < check.known < check.energy.gross.high


def test_sampling_costs_less_than_one_percent_of_the_instructions(check):
    assert 0 < check.thread < 0.01
    assert 0 < check.state < 0.01
    assert check.overhead < 0.01


def test_script_of_trust_keeps_its_bounds_in_a_reduced_form(check):
    """`benchmarks/trust.py` with few experiments and the check from above."""
    assert trust.find_broken(trust.worst_false_answer(40), check) == []
    assert {"difference", "an inference beside sampling"} <= {name for name, _ in energy.tell_check(check)}


def test_script_of_trust_names_every_bound_that_is_broken(check):
    off = replace(check, known=check.energy.gross.value * 1.03, overhead=0.02, thread=0.03, state=0.04)
    broken = trust.find_broken(0.06, off)
    assert len(broken) == 5
    assert "6.00% false answers" in broken[0]
    assert "off by -2.91%" in broken[1]
    assert trust.find_broken(0.01, None) == []
