"""Exports that tests share. Artifacts come from the default cache, so a second run of the tests is quick."""

from pathlib import Path

import pytest
from networks import export

from edgeq.artifact import Artifact
from edgeq.workload.loader import Workload, load_workload


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.export)


@pytest.fixture(scope="session")
def digits() -> Workload:
    return load_workload("digits")


@pytest.fixture(scope="session")
def digits_fp32(digits) -> Artifact:
    return export(digits, "fp32")


@pytest.fixture(scope="session")
def digits_int8(digits) -> Artifact:
    return export(digits, "int8")
