"""Conditions sampled by the real runner from a tree of files that changes in the middle of a run."""

import contextlib
import itertools
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgeq.devices.local import LocalLink
from edgeq.devices.profile import Limits, load_profile
from edgeq.devices.watching import find_watch
from edgeq.measure.latency import latency_series
from edgeq.measure.validity import find_faults
from edgeq.measure.watch import find_watched, watch_job
from edgeq.results.records import Conditions
from edgeq.runner.job import Job
from edgeq.runner.launch import Launcher

pytestmark = pytest.mark.native

SECONDS = 2.4
CPU = "sys/devices/system/cpu"


def write(path, text):
    """As the kernel does it: a reader gets the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    beside.write_text(f"{text}\n")
    beside.replace(path)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    for core in (0, 1):
        write(root / f"{CPU}/cpu{core}/cpufreq/scaling_cur_freq", 2_400_000)
    write(root / f"{CPU}/online", "0-1")
    write(root / "sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    write(root / "sys/class/thermal/thermal_zone0/temp", 45_000)
    for name in ("self/stat", "stat"):
        write(root / f"proc/{name}", Path(f"/proc/{name}").read_text().rstrip())
    return root


def run_watched(bundle, programs, tmp_path, tree, steps):
    """Run on the tree while `steps` follow each other, again and again; series and what was found."""
    link = LocalLink()
    watch = find_watch(link, (), root=str(tree)).on_cores((0, 1))
    job = Job(
        kind="latency",
        program=str(programs / "linear.pte"),
        inputs=str(programs / "linear.inputs.safetensors"),
        iterations=(1, 10**9),
        seconds=(SECONDS, SECONDS),
        pause=0.001,
        deadline=60,
    )
    end = threading.Event()

    def change():
        for step in itertools.cycle(steps):
            if end.wait(0.5):
                return
            step()

    with Launcher(link, bundle, str(tmp_path / "work")) as launcher:
        thread = threading.Thread(target=change)
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(end.set)
            result = launcher.run(watch_job(job, watch))
    found = find_watched([result], watch)
    return (*latency_series(result, "wall"), *found.series), found


def judge(series, **limits):
    profile = replace(load_profile("local"), limits=Limits(**limits))
    return find_faults(profile, Conditions(), series, None, (0, 1))


def test_clock_that_falls_and_recovers_and_a_core_that_goes_make_the_run_invalid(
    bundle, programs, tmp_path, tree
):
    clock, online = tree / f"{CPU}/cpu1/cpufreq/scaling_cur_freq", tree / f"{CPU}/online"
    steps = [
        lambda: (write(clock, 1_000_000), write(online, "0")),
        lambda: (write(clock, 2_400_000), write(online, "0-1")),
    ]
    series, found = run_watched(bundle, programs, tmp_path, tree, steps)
    faults = judge(series, clock=2.4e9)
    assert len(faults) == 2, faults
    assert "the clock of cpu1 fell to 1 GHz during the run" in faults[0]
    assert faults[1] == "between 1 and 2 cores were online during the run"
    by_name = {each.name: each for each in series}
    assert set(by_name["clock.cpu1"].values) == {1e9, 2.4e9}
    assert set(by_name["clock.cpu0"].values) == {2.4e9}
    assert by_name["temperature.cpu-thermal"].values[0] == 45.0
    assert 0 < by_name["sampling"].values[0] < 0.05
    assert found.warnings == []


def test_sensors_that_vanish_or_turn_to_nonsense_keep_what_they_said_and_are_named(
    bundle, programs, tmp_path, tree
):
    clock, heat = tree / f"{CPU}/cpu0/cpufreq/scaling_cur_freq", tree / "sys/class/thermal/thermal_zone0/temp"

    def spoil():
        clock.unlink(missing_ok=True)
        write(heat, "1e99 nonsense")

    steps = [lambda: None, lambda: None, spoil]
    series, found = run_watched(bundle, programs, tmp_path, tree, steps)
    by_name = {each.name: each for each in series}
    assert set(by_name["clock.cpu0"].values) == {2.4e9}
    assert set(by_name["temperature.cpu-thermal"].values) == {45.0}
    assert len(by_name["clock.cpu0"].values) < len(by_name["clock.cpu1"].values)
    said = {warning.facts["sensor"]: warning.message for warning in found.warnings}
    assert set(said) == {"cpu0", "cpu-thermal"}
    assert "No such file" in said["cpu0"]
    assert "nonsense" in said["cpu-thermal"]


def test_run_that_is_over_sooner_than_an_interval_is_read_once(bundle, programs, tmp_path, tree, monkeypatch):
    monkeypatch.setattr("test_watch_pass.SECONDS", 0.0)
    series, _ = run_watched(bundle, programs, tmp_path, tree, [lambda: None])
    by_name = {each.name: each for each in series}
    assert len(by_name["clock.cpu0"].values) == 1
    latency = [each for each in series if each.name == "latency"][-1]
    assert by_name["cores"].times[0] > latency.times[0]
    assert judge(series, clock=2.4e9) == ()
    assert len(judge(series, clock=2.5e9)) == 2
