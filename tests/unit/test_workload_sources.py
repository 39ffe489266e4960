"""The source files that a workload is made of, whatever else is loaded."""

import sys

import pytest

from edgeq.compile.sources import hash_sources
from edgeq.workload.loader import load_workload

NET = """
import sys
sys.path.insert(0, {source!r})
from os.path import join
from srcpkg_{tag}.deep import RATE

def model(): ...
def example_inputs(): ...
def train(model):
    import late_{tag}
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A workload that imports from a package beside its folder, and late from its folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    tag = "net"
    package = tmp_path / "src" / f"srcpkg_{tag}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("from .constants import RATE\n")
    (package / "constants.py").write_text("RATE = 0.1\n")
    (package / "unused.py").write_text("")
    home = tmp_path / "workloads"
    home.mkdir()
    (home / f"late_{tag}.py").write_text("import json\n")
    (home / "net.py").write_text(NET.format(source=str(tmp_path / "src"), tag=tag))
    yield load_workload(str(home / "net.py"))
    for name in [each for each in sys.modules if each.startswith((f"srcpkg_{tag}", f"late_{tag}"))]:
        del sys.modules[name]


def test_all_that_a_workload_imports_is_part_of_it_and_nothing_else(net):
    package = "../src/srcpkg_net"
    assert list(hash_sources(net)) == [
        *(f"{package}/{name}.py" for name in ("__init__", "constants", "deep")),
        "late_net.py",
        "net.py",
    ]


def test_an_edit_of_a_module_beside_or_imported_late_is_another_workload(net):
    home = net.source.parent
    seen = [hash_sources(net)]
    for file in (home.parent / "src/srcpkg_net/constants.py", home / "late_net.py"):
        file.write_text("RATE = 0.2\n")
        seen.append(hash_sources(net))
        assert seen[-1] != seen[-2]
