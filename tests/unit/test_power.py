"""From a runner's samples to series of power and energy, or the reasons why there are none."""

import numpy as np
import pytest
from msgspec.structs import replace

from edgeq.devices.hardware import CommandSource, Sensor, ThermalSource
from edgeq.devices.local import LocalLink
from edgeq.devices.sampling import Probe
from edgeq.measure.power import find_power, find_power_gap, find_power_probes, power_job
from edgeq.results.origin import EnergyOrigin, read_origin
from edgeq.runner.job import Job, Result, RunnerFailure, Sample, Sampled, Times

WATTS = Probe(
    name="input",
    quantity="power",
    site="board",
    form="number",
    scale=1e-6,
    described="hwmon ina219 power1_input",
)
HEAT = Probe(name="soc", quantity="temperature", site="soc", form="number", scale=1e-3, described="zone cpu")
SECOND = 1_000_000_000


def make_times(count=100):
    """100 inferences of 0.1 s each from 5 s to 15 s."""
    return Times(
        load=1,
        init=1,
        first=1,
        measured=(SECOND // 10,) * count,
        starts=tuple(5 * SECOND + n * SECOND // 10 for n in range(count)),
    )


def make_samples(text_at, sensor=0, count=400):
    """A sample every 50 ms from 0 to 20 s, each of which took 1 ms."""
    answers = []
    for n in range(count):
        at = n * SECOND // 20
        text = text_at(at / SECOND)
        answers.append(
            Sample(sensor, at, at + SECOND // 1000, text, None if text is not None else "read: gone")
        )
    return tuple(answers)


def load_text(at):
    noise = round(50_000 * np.sin(1000 * at))
    return str((3_000_000 if 5 <= at <= 15 else 1_000_000) + noise)


def make_result(*samples, **changes):
    sampled = Sampled(
        samples=tuple(samples),
        **{
            "began": 0,
            "ended": 20 * SECOND,
            "cpu_time": SECOND // 100,
            "idle": ((0, 5 * SECOND), (15 * SECOND, 20 * SECOND)),
            **changes,
        },
    )
    return Result(
        schema=1, kind="latency", status="ok", executorch="1.5.1", times=make_times(), sampled=sampled
    )


def names(findings):
    return [(series.name, series.unit, series.phase) for series in findings.series]


def test_power_and_energy_are_series_that_name_sensor_and_site():
    found = find_power(make_result(*make_samples(load_text)), (WATTS,), {})
    assert names(found) == [
        ("sampling", "1", "sampled"),
        ("idle", "s", "sampled"),
        ("inference", "s", "sampled"),
        ("power", "W", "sampled"),
        ("energy", "J", "measured"),
    ]
    sampling, idle, inference, power, energy = found.series
    assert sampling.values == (0.0005,)
    assert (idle.values, idle.times) == ((5.0, 5.0), pytest.approx((0.0, 15.0)))
    assert len(inference.values) == 100
    assert power.source == "input (board): hwmon ina219 power1_input"
    assert (power.times[0], power.values[0]) == (pytest.approx(0.0005), 1.0)
    assert np.mean(energy.values) == pytest.approx(0.2, rel=0.01)
    assert read_origin(energy.source) == EnergyOrigin("input (board)", "net")
    assert (found.not_measured, found.warnings) == ({}, [])


def test_what_power_depends_on_is_sampled_beside_it():
    samples = make_samples(load_text) + make_samples(lambda at: str(40_000 + round(500 * at)), sensor=1)
    found = find_power(make_result(*samples), (WATTS, HEAT), {})
    heat = found.series[-1]
    assert (heat.name, heat.unit, heat.values[0], heat.values[-1]) == (
        "temperature.soc",
        "degC",
        40.0,
        49.975,
    )


def test_counter_of_joules_becomes_power():
    def joules(at):
        busy = min(max(at - 5, 0), 10)
        return str(round(1e6 * (at + 2 * busy + 0.01 * np.sin(30 * at))))

    counter = Probe(name="e", quantity="energy", site="rail", form="number", scale=1e-6, described="x")
    found = find_power(make_result(*make_samples(joules)), (counter,), {})
    power, energy = found.series[-2:]
    assert (power.name, power.unit, len(power.values)) == ("power", "W", 399)
    assert np.mean(energy.values) == pytest.approx(0.2, rel=0.02)


def test_counter_that_wraps_loses_one_step_only():
    counter = Probe(name="e", quantity="energy", site="rail", form="number", scale=1e-6, described="x")
    texts = iter(["900000", "950000", "0", "50000"])
    found = find_power(make_result(*make_samples(lambda _: next(texts), count=4)), (counter,), {})
    assert found.series[-1].values == pytest.approx((1.0, 1.0))


def test_battery_counter_that_falls_is_no_power():
    counter = Probe(
        name="e", quantity="energy", site="battery", form="number", scale=3.6e-3, described="energy_now"
    )
    found = find_power(make_result(*make_samples(lambda at: str(900_000 - round(at)))), (counter,), {})
    assert "name its power or current instead" in found.not_measured["power"]


def test_readings_that_fail_are_counted_and_left_out():
    found = find_power(
        make_result(*make_samples(lambda at: None if 7 < at < 7.2 else load_text(at))), (WATTS,), {}
    )
    (warning,) = found.warnings
    assert warning.code == "sensor-failed"
    assert "3 of 400 readings: read: gone" in warning.message
    assert len(found.series[-2].values) == 397
    assert found.series[-1].name == "energy"


def test_sensor_that_vanishes_keeps_its_samples_and_gives_no_energy():
    found = find_power(make_result(*make_samples(lambda at: load_text(at) if at < 9 else None)), (WATTS,), {})
    assert names(found)[-1] == ("power", "W", "sampled")
    assert len(found.series[-1].values) == 180
    assert "have no sample near them" in found.not_measured["energy"]
    assert "power" not in found.not_measured


def test_nonsense_is_no_power_and_says_what_it_was():
    found = find_power(make_result(*make_samples(lambda _: "N/A\nmaybe")), (WATTS,), {})
    assert [series.name for series in found.series] == ["sampling", "idle", "inference"]
    assert "'N/A\\nmaybe'" in found.not_measured["power"]
    assert found.not_measured["energy"] == found.not_measured["power"]


def test_sensor_that_the_device_has_not_is_a_reason():
    heat = make_samples(lambda _: "40000")
    found = find_power(make_result(*heat), (HEAT,), {"input": "the device has no hwmon ina219"})
    assert found.not_measured == dict.fromkeys(("power", "energy"), "input: the device has no hwmon ina219")


def test_pass_without_sensors_still_says_when_there_was_work_and_rest():
    found = find_power(make_result(), (), {})
    assert [series.name for series in found.series] == ["sampling", "idle", "inference"]
    assert "names no power sensor" in found.not_measured["energy"]


def test_stuck_sensor_gives_no_energy():
    found = find_power(make_result(*make_samples(lambda _: "2500000")), (WATTS,), {})
    assert "one value in all of its" in found.not_measured["energy"]
    assert found.series[-1].name == "power"


def test_network_that_is_too_fast_for_the_sensor_is_named_as_such():
    times = make_times(5)
    short = make_result(*make_samples(load_text))
    found = find_power(replace(short, times=times, stopped_by="iterations"), (WATTS,), {})
    assert found.not_measured["energy"].endswith("(5 inferences took 0.5 s only)")


def test_charging_battery_gives_neither():
    battery = Probe(
        name="battery", quantity="power", site="battery", form="battery", scale=1e-6, described="power_now"
    )
    found = find_power(make_result(*make_samples(lambda at: f"{load_text(at)}\nCharging\n1")), (battery,), {})
    assert "not discharging" in found.not_measured["power"]
    assert "not discharging" in found.not_measured["energy"]


def test_one_sensor_that_works_is_enough():
    samples = make_samples(lambda _: None) + make_samples(load_text, sensor=1)
    found = find_power(make_result(*samples), (WATTS, WATTS), {})
    assert found.not_measured == {}
    assert names(found)[-1][0] == "energy"


def test_sensor_that_hangs_is_named():
    found = find_power(make_result(*make_samples(load_text), unanswered=0), (WATTS,), {})
    assert [warning.code for warning in found.warnings] == ["sensor-hangs"]


def test_costly_sampling_is_said():
    found = find_power(make_result(*make_samples(load_text), cpu_time=SECOND), (WATTS,), {})
    (warning,) = found.warnings
    assert (warning.code, warning.facts["share"]) == ("sampling-overhead", 0.05)


def test_run_cut_off_keeps_its_samples():
    cut = Result(
        schema=1,
        kind="latency",
        status="failed",
        error=RunnerFailure(stage="measured", name="SIGHUP", message="ended"),
        executorch="1.5.1",
        sampled=Sampled(samples=make_samples(load_text, count=200)),
    )
    found = find_power(cut, (WATTS,), {})
    assert names(found) == [("power", "W", "sampled")]
    assert len(found.series[0].values) == 200
    assert "cut off" in found.not_measured["energy"]


def test_run_that_failed_before_has_the_reason():
    early = Result(
        schema=1,
        kind="latency",
        status="failed",
        error=RunnerFailure(stage="load", name="X", message="y"),
        executorch="1.5.1",
    )
    found = find_power(early, (WATTS,), {})
    assert found.series == []
    assert "failed before" in found.not_measured["power"]


def test_power_pass_is_the_latency_pass_with_rests_and_sensors():
    latency = Job(
        program="p", inputs="i", kind="latency", iterations=(50, 1000), seconds=(1.0, 10.0), rate=5.0
    )
    command = Probe(
        name="pmic",
        quantity="power",
        site="rail",
        form="rails",
        scale=1.0,
        described="x",
        command=("vcgencmd",),
    )
    job = power_job(latency, (WATTS, command))
    assert (job.kind, job.rate, job.seconds, job.iterations[0]) == ("latency", 5.0, (10.0, 10.0), 1)
    assert job.sampling.idle == (5.0, 5.0)
    assert job.sampling.interval == 0.2
    assert job.sampling.sensors[1].command == ("vcgencmd",)
    assert power_job(latency, (WATTS,)).sampling.interval == 0.05
    assert power_job(latency, ()).sampling.sensors == ()


def test_why_there_is_no_power():
    pmic = Sensor(
        name="pmic",
        quantity="power",
        site="rail",
        unit="W",
        source=CommandSource(argv=("vcgencmd",), format="vcgencmd_pmic_read_adc"),
        documented="x",
    )
    heat = Sensor(
        name="soc",
        quantity="temperature",
        site="soc",
        unit="mdegC",
        source=ThermalSource(zone="cpu"),
        documented="x",
    )
    assert "draws no power" in find_power_gap("emulated", "instructions", (pmic,))
    assert "names no power sensor" in find_power_gap("hardware", "wall", (heat,))
    assert find_power_gap("hardware", "wall", (heat, pmic)) is None


def test_probes_of_the_pass_are_those_of_power_and_what_it_depends_on(tmp_path):
    sensors = [
        Sensor(name=name, quantity=quantity, site="soc", unit=unit, source=source, documented="x")
        for name, quantity, unit, source in (
            ("now", "power", "W", CommandSource(argv=("echo", "1"), format="number")),
            ("gone", "power", "W", CommandSource(argv=("edgeq-none",), format="number")),
            (
                "hot",
                "temperature",
                "degC",
                CommandSource(argv=("edgeq-none",), format="vcgencmd_measure_temp"),
            ),
            ("flags", "throttling", "flags", CommandSource(argv=("echo",), format="vcgencmd_get_throttled")),
        )
    ]
    probes, missing = find_power_probes(LocalLink(), sensors, root=str(tmp_path))
    assert [probe.name for probe in probes] == ["now"]
    assert list(missing) == ["gone"]
