"""Every fault of a phone: exit code, message, both sides after it, and the next run."""

import pytest
from faults.adb_faults import FAULTS, phone_rig
from faults.catalogue import try_fault
from faults.rig import export_digits

pytestmark = [pytest.mark.export, pytest.mark.native]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phone")
    with phone_rig(folder, export_digits(folder)) as rig:
        yield rig


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_ends_in_one_clear_line_and_nothing_stays(fault, rig):
    trial = try_fault(fault, rig)
    assert trial.problems == [], trial.answer.stderr
