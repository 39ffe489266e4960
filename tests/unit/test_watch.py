"""What is sampled beside a run: what can be read, what it says, and what of it speaks against the run."""

import dataclasses

import pytest
from msgspec.structs import replace
from runs import make_run

from edgeq.devices.hardware import Sensor, ThermalSource
from edgeq.devices.local import LocalLink
from edgeq.devices.processor import busy_others, count_cores, read_busy
from edgeq.devices.profile import Limits, load_profile
from edgeq.devices.watching import MOST_ZONES, find_watch
from edgeq.measure.gaps import NOT_SAMPLED, find_gaps
from edgeq.measure.latency import default_spec
from edgeq.measure.validity import find_faults
from edgeq.measure.watch import WATCHED, find_watched, watch_job
from edgeq.report.html.page import render_html
from edgeq.report.sections import conditions
from edgeq.results.records import Conditions, Pairing, Reading, Series
from edgeq.runner.job import Job, Result, Sample, Sampled

SECOND = 1_000_000_000
JOB = Job(kind="latency", program="p", inputs="i")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def stat(busy, idle=1000):
    """/proc/stat with so many busy ticks."""
    return f"cpu  {busy} 0 0 {idle} 50 0 0 0 0 0\ncpu0 {busy} 0 0 {idle} 50 0 0 0 0 0\nintr 5"


def own(ticks):
    return f"7 (a) b) c) R 1 1 1 0 -1 4194304 1 0 0 0 {ticks} 0 0 0 20 0 1 0 5"


@pytest.fixture
def tree(tmp_path):
    """A board of two cores with a thermal zone that works and one that gives errors."""
    for core in (0, 1, 10):
        write(tmp_path / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", 2_400_000)
    write(tmp_path / "sys/devices/system/cpu/online", "0-1,10")
    for zone, kind in enumerate(("cpu-thermal", "cpu-thermal", "broken")):
        write(tmp_path / f"sys/class/thermal/thermal_zone{zone}/type", kind)
    for zone in (0, 1):
        write(tmp_path / f"sys/class/thermal/thermal_zone{zone}/temp", 45_000)
    (tmp_path / "sys/class/thermal/thermal_zone2/temp").mkdir()
    return tmp_path


def test_every_core_and_every_zone_that_can_be_read_is_watched(tree):
    watch = find_watch(LocalLink(), (), root=str(tree))
    names = [(probe.quantity, probe.name) for probe in watch.probes]
    assert names == [
        ("clock", "cpu0"), ("clock", "cpu1"), ("clock", "cpu10"),
        ("temperature", "cpu-thermal"), ("temperature", "cpu-thermal.1"),
        ("cores", "cores"), ("others", "others"),
    ]  # fmt: skip
    assert list(watch.missing) == ["throttling"]


def test_only_clocks_of_cores_that_are_used_are_read(tree):
    watch = find_watch(LocalLink(), (), root=str(tree))
    kept = {probe.name for probe in watch.on_cores((1, 10)).probes if probe.quantity == "clock"}
    assert kept == {"cpu1", "cpu10"}
    assert watch.on_cores(()) == watch


def test_sensors_of_the_profile_come_first(tree):
    sensor = Sensor(
        name="soc",
        quantity="temperature",
        site="soc",
        unit="mdegC",
        source=ThermalSource(zone="cpu-thermal"),
        documented="this test",
    )
    found = find_watch(LocalLink(), (sensor,), root=str(tree))
    assert [probe.name for probe in found.probes if probe.quantity == "temperature"] == ["soc", "soc.2"]
    missing = replace(sensor, source=ThermalSource(zone="gpu"))
    heat = [p.name for p in find_watch(LocalLink(), (missing,), root=str(tree)).probes if p.site == "soc"]
    assert heat == ["cpu-thermal", "cpu-thermal.1"]


def test_machine_that_shows_nothing_says_so_of_each_quantity(tmp_path):
    watch = find_watch(LocalLink(), (), root=str(tmp_path))
    assert set(watch.missing) == {"clock", "temperature", "throttling"}


def test_phone_with_a_hundred_zones_has_few_of_them_read(tmp_path):
    for zone in range(100):
        write(tmp_path / f"sys/class/thermal/thermal_zone{zone}/type", f"z{zone}")
        write(tmp_path / f"sys/class/thermal/thermal_zone{zone}/temp", 30_000)
    watch = find_watch(LocalLink(), (), root=str(tmp_path))
    assert sum(probe.quantity == "temperature" for probe in watch.probes) == MOST_ZONES


@pytest.mark.parametrize(
    ("text", "count"), [("0-3", 4), ("0", 1), ("0-1,4,6-7", 5), ("", None), ("3-1", None), ("0-x", None)]
)
def test_cores_online_are_counted(text, count):
    assert count_cores(text) == count


def test_load_of_others_leaves_out_the_runner_and_its_children():
    texts = [f"{own(ticks)}\n{stat(busy)}" for ticks, busy in ((0, 0), (50, 75), (100, 150), (150, 225))]
    found = busy_others([0.0, 0.5, 1.0, 2.0], texts)
    assert [round(cores, 9) for _, cores in found] == [0.5, 0.25]
    assert [time for time, _ in found] == [0.5, 1.5]


@pytest.mark.parametrize("text", ["", "7 (a) R", f"{own(1)}\n", f"{own('²')}\n{stat(1)}", f"x\n{stat(1)}"])
def test_text_that_is_no_load_is_left_out(text):
    assert read_busy(text) is None
    assert busy_others([0.0, 2.0], [text, text]) == []


def sampled_of(*texts, sensor=0, every=0.2):
    samples = [
        Sample(sensor, round(n * every * SECOND), round(n * every * SECOND) + 1000, text)
        if text is not None
        else Sample(sensor, round(n * every * SECOND), round(n * every * SECOND), None, "gone")
        for n, text in enumerate(texts)
    ]
    return Sampled(samples=tuple(samples), began=0, ended=10 * SECOND, cpu_time=SECOND // 100)


def result_of(sampled):
    return Result(schema=1, kind="latency", status="ok", executorch="1", sampled=sampled)


def test_readings_become_series_with_their_times(tree):
    watch = find_watch(LocalLink(), (), root=str(tree)).on_cores((0,))
    found = find_watched([result_of(sampled_of("2400000", "1500000"))], watch)
    (clock,) = [series for series in found.series if series.name == "clock.cpu0"]
    assert (clock.unit, clock.phase, clock.values) == ("Hz", "sampled", (2.4e9, 1.5e9))
    assert clock.times == pytest.approx((0.0, 0.2), abs=1e-3)
    assert "never read" in found.not_measured["temperature"]
    (cost,) = [series for series in found.series if series.name == "sampling"]
    assert cost.values == (0.001,)
    assert "latency pass" in cost.source


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("2400000", None, None), "2 of 3 readings: gone"),
        (("2400000", "<unknown>"), "1 of 2 readings: it answers '<unknown>'"),
        (("2400000", "0"), "1 of 2 readings: it answers '0'"),
        (("2400000", "9" * 15), "1 of 2 readings"),
    ],
)
def test_sensor_that_vanishes_or_speaks_nonsense_keeps_what_it_said_before(tree, texts, said):
    watch = find_watch(LocalLink(), (), root=str(tree)).on_cores((0,))
    found = find_watched([result_of(sampled_of(*texts))], watch)
    (clock,) = [series for series in found.series if series.name == "clock.cpu0"]
    assert clock.values == (2.4e9,)
    (warning,) = [warning for warning in found.warnings if warning.code == "sensor-failed"]
    assert said in warning.message


def test_rounds_are_joined_and_the_load_starts_anew_with_each_process():
    watch = find_watch(LocalLink(), ())
    index = [probe.quantity for probe in watch.probes].index("others")
    parts = []
    for first in (0, 4):
        texts = [f"{own(0)}\n{stat(100 * (first + n))}" for n in range(3)]
        sampled = sampled_of(*texts, sensor=index, every=1.0)
        moved = [
            replace(s, start=s.start + first * SECOND, end=s.end + first * SECOND) for s in sampled.samples
        ]
        parts.append(result_of(replace(sampled, samples=tuple(moved))))
    found = find_watched(parts, watch)
    (others,) = [series for series in found.series if series.name == "others"]
    assert others.times == pytest.approx((0.5, 1.5, 4.5, 5.5), abs=1e-3)
    assert others.values == pytest.approx((1.0, 1.0, 1.0, 1.0))


def test_commands_are_asked_less_often_than_files():
    watch = find_watch(LocalLink(), ())
    job = watch_job(JOB, replace_probe(watch))
    assert [sensor.every for sensor in job.sampling.sensors][-1] == 5
    assert job.sampling.sensors[0].every == 1


def replace_probe(watch):
    change = dataclasses.replace
    return change(watch, probes=(*watch.probes, change(watch.probes[0], files=(), command=("true",))))


def test_what_is_not_sampled_has_a_reason():
    board, emulator = load_profile("virt-pi5"), load_profile("emulator-a76")
    assert {find_gaps(board, default_spec("instructions"))[name] for name in WATCHED} == {
        NOT_SAMPLED["instructions"]
    }
    assert {find_gaps(emulator, default_spec("none"))[name] for name in WATCHED} == {NOT_SAMPLED["none"]}
    failed = find_watched([result_of(None)], find_watch(LocalLink(), ()))
    assert set(failed.not_measured) == set(WATCHED)


def series(name, values, source="test", every=1.0):
    times = tuple(n * every for n in range(len(values)))
    return Series(name=name, unit="1", phase="sampled", values=values, times=times, source=source)


LATENCY = Series(
    name="latency", unit="s", phase="measured", values=(0.5,) * 5, times=(1.0, 2.0, 3.0, 4.0, 5.0), source=""
)


def faults(*sampled, cpus=(0,), pairing=None, before=None, after=None, **limits):
    profile = replace(load_profile("local"), limits=Limits(**limits))
    conditions = Conditions(before=before or {}, after=after or {})
    return find_faults(profile, conditions, (LATENCY, *sampled), pairing, cpus)


def test_clock_that_fell_in_the_middle_and_recovered_makes_the_run_invalid():
    fell = series("clock.cpu0", (2.4e9, 2.4e9, 2.4e9, 1.5e9, 2.4e9, 2.4e9))
    (fault,) = faults(fell, clock=2.4e9)
    assert "the clock of cpu0 fell to 1.50 GHz during the run, below 2.40 GHz: in 1 of 5 samples" in fault
    assert faults(fell, clock=1.5e9) == ()
    assert faults(fell) == ()


def test_clock_before_the_first_inference_is_not_the_runs():
    assert faults(series("clock.cpu0", (6e8, 2.4e9, 2.4e9, 2.4e9, 2.4e9, 2.4e9)), clock=2.4e9) == ()


def test_idle_core_of_a_run_that_is_not_pinned_speaks_for_nothing():
    slow = series("clock.cpu0", (6e8,) * 6)
    fast = series("clock.cpu1", (2.4e9,) * 6)
    assert faults(slow, fast, cpus=(), clock=2.4e9) == ()
    assert len(faults(slow, fast, cpus=(0, 1), clock=2.4e9)) == 1
    (fault,) = faults(slow, series("clock.cpu1", (2.4e9,) * 5 + (1e9,)), cpus=(), clock=2.4e9)
    assert "the fastest core fell to 1 GHz" in fault


def clocks(*cores):
    """Series of cores that one thread reads in turn at uneven times; None is a reading that failed."""
    begins = [1.0 + 0.08 * n + 0.03 * (n % 3) for n in range(50)]
    return tuple(
        Series(
            name=f"clock.cpu{core}",
            unit="Hz",
            phase="sampled",
            values=tuple(value for value in values if value is not None),
            times=tuple(
                at + core * 2e-5 for at, value in zip(begins, values, strict=True) if value is not None
            ),
            source="test",
        )
        for core, values in cores
    )


def test_core_that_was_seldom_read_hides_nothing_of_the_others():
    seldom = (2.4e9,) * 3 + (None,) * 47
    slow = (2.4e9,) * 3 + (6e8,) * 47
    (fault,) = faults(*clocks((0, seldom), (4, slow)), cpus=(), clock=1.5e9)
    assert "the fastest core fell to 600 MHz during the run, below 1.50 GHz: in 47 of 50 samples" in fault
    (fault,) = faults(*clocks((0, seldom[::-1]), (4, slow[::-1])), cpus=(), clock=1.5e9)
    assert "in 47 of 50 samples" in fault
    assert faults(*clocks((0, slow[:3] + (2.4e9,) * 47), (4, slow)), cpus=(), clock=1.5e9) == ()


def test_reading_that_failed_does_not_shift_those_after_it():
    turns = ((2.4e9, 6e8) * 25, (6e8, 2.4e9) * 25)
    lost = (turns[0][0], None, *turns[0][2:])
    assert faults(*clocks((0, turns[0]), (4, turns[1])), cpus=(), clock=1.5e9) == ()
    assert faults(*clocks((0, lost), (4, turns[1])), cpus=(), clock=1.5e9) == ()


def test_limit_of_what_was_not_sampled_is_not_kept():
    assert faults(clock=1e9) == ("the clock during the run is not known: it was not sampled",)
    assert faults(others=0.5) == ("the load of others during the run is not known: it was not sampled",)


def test_throttling_between_two_good_readings_makes_the_run_invalid():
    held = series(
        "throttling", (0, 0, 0x50004, 0x50000, 0x50000), source="x: command `vcgencmd get_throttled`"
    )
    (fault,) = faults(held)
    assert "held back during the run: throttled in 1 of 4 samples" in fault
    assert faults(held, throttling_allowed=True) == ()
    assert faults(series("throttling", (0x50000,) * 5)) == (), "what was before this run is not its fault"


def test_throttling_that_no_sample_met_is_in_the_firmwares_memory():
    before, after = (
        {"throttling": Reading(value=text)} for text in ("0x20000 (none now)", "0x60000 (none now)")
    )
    assert faults(before=before, after=after) == (
        "the device was held back between the two readings: throttled",
    )
    assert faults(before=after, after=after) == ()
    assert faults(before=before, after={"throttling": Reading(value="0x40004 (throttled)")}) == (
        "the device was held back: throttled",
    )


def test_core_that_went_offline_makes_the_run_invalid():
    assert faults(series("cores", (4, 4, 4, 3, 4))) == ("between 3 and 4 cores were online during the run",)


def test_others_that_were_busy_in_the_mean_make_the_run_invalid():
    busy = series("others", (0.0, 0.2, 0.8, 0.8, 0.2))
    (fault,) = faults(busy, others=0.4)
    assert "kept 0.50 cores busy during the run, above 0.4" in fault
    assert faults(busy, others=0.6) == ()


def test_samples_between_two_rounds_are_not_the_runs():
    fell = series("clock.cpu0", (2.4e9, 2.4e9, 2.4e9, 1e9, 2.4e9, 2.4e9))
    rounds = Pairing(id="p", seed=1, place=0, rounds=(0, 3))
    times = (1.0, 1.5, 2.0, 4.0, 5.0)
    profile = replace(load_profile("local"), limits=Limits(clock=2.4e9))
    latency = replace(LATENCY, times=times)
    assert find_faults(profile, Conditions(), (latency, fell), rounds, (0,)) == ()
    assert len(find_faults(profile, Conditions(), (latency, fell), None, (0,))) == 1


def test_report_shows_what_was_sampled_beside_the_readings_before_and_after():
    fell = series("clock.cpu0", (9e8, 2.4e9, 2.4e9, 1.5e9, 2.4e9, 2.4e9))
    before = {"clock.cpu0": Reading(value=2.4e9, unit="Hz"), "governor": Reading(value="ondemand")}
    run = replace(
        make_run(),
        series=(LATENCY, replace(fell, unit="Hz")),
        conditions=Conditions(before=before, after=before),
    )
    section = conditions([run])
    rows = {row[0]: row[1:] for row in section.rows}
    assert section.header == ("reading", "before", "while measured", "after")
    assert rows["clock.cpu0"] == ("2.400 GHz", "1.50 GHz to 2.40 GHz (5 samples)", "2.400 GHz")
    assert rows["governor"] == ("ondemand", "", "ondemand")
    page = render_html([run])
    assert "the device during the run" in page
    assert "the device during the run" not in render_html([replace(run, series=(LATENCY,))])
