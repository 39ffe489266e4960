"""The whole power pass on this machine: a sensor on a fixture tree, the runner, series and energy."""

import contextlib
import math
import threading
import time

import pytest

from edgeq.devices.hardware import HwmonSource, Sensor, ThermalSource
from edgeq.devices.local import LocalLink
from edgeq.errors import RunnerError
from edgeq.measure import power
from edgeq.measure.power import find_power_probes, measure_power
from edgeq.runner.job import Job
from edgeq.runner.launch import Launcher

pytestmark = pytest.mark.native

MEAN, PERIOD = 3.0, 0.4


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def watts(at):
    return MEAN + math.sin(2 * math.pi * at / PERIOD)


@pytest.fixture
def sensor(tmp_path):
    """A chip that shows a wave of known power, as a real one would: in a file of its own that changes."""
    chip = tmp_path / "sys/class/hwmon/hwmon1"
    write(chip / "name", "ina219")
    write(chip / "power1_input", "0000000")
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "45000")
    end = threading.Event()

    def serve():
        with (chip / "power1_input").open("r+b", buffering=0) as file:
            while not end.wait(0.001):
                file.seek(0)
                file.write(b"%07d\n" % round(1e6 * watts(time.monotonic())))

    thread = threading.Thread(target=serve)
    thread.start()
    yield (
        Sensor(
            name="input",
            quantity="power",
            site="board",
            unit="uW",
            source=HwmonSource(chip="ina219", input="power1_input"),
            documented="this test",
        ),
        Sensor(
            name="soc",
            quantity="temperature",
            site="soc",
            unit="mdegC",
            source=ThermalSource(zone="cpu-thermal"),
            documented="this test",
        ),
    )
    end.set()
    thread.join()


def run_pass(bundle, programs, tmp_path, sensors, monkeypatch, **changes):
    """The findings of a power pass of two seconds."""
    monkeypatch.setattr(power, "SECONDS", 2.0)
    monkeypatch.setattr(power, "IDLE", (1.0, 1.0))
    monkeypatch.setattr(power, "FILE_INTERVAL", 0.01)
    link = LocalLink()
    probes, missing = find_power_probes(link, sensors, root=str(tmp_path))
    assert missing == {}
    job = Job(
        **{
            "kind": "latency",
            "program": str(programs / "linear.pte"),
            "inputs": str(programs / "linear.inputs.safetensors"),
            "deadline": 60,
            **changes,
        }
    )
    kept = []
    with Launcher(link, bundle, str(tmp_path / "work")) as launcher, contextlib.suppress(RunnerError):
        measure_power(launcher, job, probes, missing, kept.append)
    return kept[0]


def test_known_wave_gives_its_energy_within_two_percent(bundle, programs, tmp_path, sensor, monkeypatch):
    # On a busy machine the sampler may miss its turns, and then there is rightly no energy: once more.
    for _ in range(4):
        found = run_pass(bundle, programs, tmp_path, sensor, monkeypatch, pause=0.005)
        if not found.not_measured:
            break
    series = {series.name: series for series in found.series}
    assert found.not_measured == {}
    begins, lengths = series["inference"].times, series["inference"].values
    begin, end = begins[0], begins[-1] + lengths[-1]
    phase = 2 * math.pi / PERIOD
    known = MEAN * (end - begin) + (math.cos(phase * begin) - math.cos(phase * end)) / phase
    idle = sum(
        MEAN * length + (math.cos(phase * at) - math.cos(phase * (at + length))) / phase
        for at, length in zip(series["idle"].times, series["idle"].values, strict=True)
    ) / sum(series["idle"].values)
    energies = series["energy"]
    counts = [len(begins) // len(energies.values)] * len(energies.values)
    total = sum(joules * count for joules, count in zip(energies.values, counts, strict=True))
    total *= len(begins) / sum(counts)
    # Net: what is left of a wave that goes on over work and rest alike is nothing, to 2 % of the gross.
    assert total == pytest.approx(known - idle * (end - begin), abs=0.02 * known)
    assert series["temperature.soc"].values[0] == 45.0
    assert 0 < series["sampling"].values[0] < 0.2


def test_pass_that_is_cut_off_keeps_its_power(bundle, programs, tmp_path, sensor, monkeypatch):
    found = run_pass(bundle, programs, tmp_path, sensor, monkeypatch, pause=0.005, deadline=2)
    series = {series.name: series for series in found.series}
    assert len(series["power"].values) > 20
    assert "energy" not in series
    assert "cut off" in found.not_measured["energy"]
