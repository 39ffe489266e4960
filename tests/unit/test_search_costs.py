"""The costs that a search compares: of one session, of one edgeq and one runner."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from runs import make_run

import edgeq
from edgeq.cli import measuring
from edgeq.cli import search as command
from edgeq.compile.search.journal import JOURNAL, Journal
from edgeq.devices.profile import load_profile
from edgeq.runner import build


class Device:
    """Says which programs it measured in each session; a program is known by its sha256."""

    def __init__(self):
        self.sessions = []

    def measure(self, _profile, subjects, _choices, _terminal, _store, keep):
        self.sessions.append([each.artifact.info.sha256 for each in subjects])
        for sha256 in self.sessions[-1]:
            run = make_run("int8")
            keep(replace(run, artifact=replace(run.artifact, sha256=sha256)))
        return [], []


@pytest.fixture
def device(monkeypatch):
    found = Device()
    monkeypatch.setattr(measuring, "measure_subjects", found.measure)
    return found


def measure(folder, profile, *programs):
    candidates = [
        SimpleNamespace(
            recipe=SimpleNamespace(name=name),
            artifact=SimpleNamespace(info=SimpleNamespace(sha256=name, executorch="1.5.1")),
        )
        for name in programs
    ]
    order, found = SimpleNamespace(terminal=None), SimpleNamespace(candidates=candidates)
    with Journal(folder / JOURNAL) as journal:
        return command._measure(order, load_profile(profile), found, journal, None)


def test_timed_programs_are_all_measured_again_with_a_new_one(device, tmp_path):
    measure(tmp_path, "local", "a", "b")
    assert set(measure(tmp_path, "local", "a", "b")) == {"a", "b"}
    assert set(measure(tmp_path, "local", "a", "b", "c")) == {"a", "b", "c"}
    assert device.sessions == [["a", "b"], ["a", "b", "c"]]


def test_counted_programs_are_measured_once(device, tmp_path):
    measure(tmp_path, "virt-pi5", "a", "b")
    assert set(measure(tmp_path, "virt-pi5", "a", "b", "c")) == {"a", "b", "c"}
    assert device.sessions == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("where", "what", "value"), [(edgeq, "__version__", "9"), (build, "hash_runner", dict)]
)
def test_costs_of_another_edgeq_or_runner_are_measured_again(
    device, tmp_path, monkeypatch, where, what, value
):
    measure(tmp_path, "virt-pi5", "a")
    monkeypatch.setattr(where, what, value)
    measure(tmp_path, "virt-pi5", "a")
    assert device.sessions == [["a"], ["a"]]
