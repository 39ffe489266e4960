"""Every fault of the SSH link: exit code, message, both sides after it, and the next run."""

import pytest
from faults.catalogue import try_fault
from faults.rig import export_digits, loopback_rig
from faults.ssh_faults import FAULTS

pytestmark = [pytest.mark.export, pytest.mark.native]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("link")
    with loopback_rig(folder, export_digits(folder)) as rig:
        yield rig


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_ends_in_one_clear_line_and_nothing_stays(fault, rig):
    trial = try_fault(fault, rig)
    assert trial.problems == [], trial.answer.stderr
