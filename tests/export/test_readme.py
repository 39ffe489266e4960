"""The workload in the README is one."""

import re
from pathlib import Path

import pytest

from edgeq.workload.loader import load_workload

pytestmark = pytest.mark.export

README = Path(__file__).parents[2] / "README.md"


def test_the_workload_of_the_readme_can_be_run(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code is not None
    path = tmp_path / "my_model.py"
    path.write_text(code[1])
    workload = load_workload(str(path))
    assert workload.name == "my_model"
    model = workload.model()
    assert model(*workload.example_inputs()).shape == (1, 10)
    assert workload.calibration is not None
    samples = list(workload.calibration())
    assert len(samples) == 32
    assert model(*samples[0]).shape == (1, 10)
