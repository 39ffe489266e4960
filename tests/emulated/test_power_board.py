"""Sampling on a board whose clock counts instructions: a sensor of known power, and what sampling costs."""

import energy
import pytest

pytestmark = [pytest.mark.emulated, pytest.mark.export]


@pytest.fixture(scope="module")
def check(board):
    return energy.check_board(board.link, board.profile)


def test_energy_of_a_known_sensor_is_found_within_two_percent(check):
    assert check.energy.gross.value == pytest.approx(check.known, rel=0.02)
    assert check.energy.gross.low < check.known < check.energy.gross.high


def test_sampling_costs_less_than_one_percent_of_the_instructions(check):
    assert 0 < check.thread < 0.01
    assert check.overhead < 0.01
