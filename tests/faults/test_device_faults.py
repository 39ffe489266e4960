"""Every fault of the device itself, on one booted board: exit code, message, both sides, the next run."""

import pytest
from faults.board_faults import FAULTS
from faults.board_rig import board_rig
from faults.catalogue import try_fault
from faults.rig import export_digits

pytestmark = [pytest.mark.export, pytest.mark.emulated]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    with board_rig(folder, export_digits(folder)) as rig:
        yield rig


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_ends_in_one_clear_line_and_nothing_stays(fault, rig):
    trial = try_fault(fault, rig)
    assert trial.problems == [], trial.answer.stderr
