"""Conditions taken apart. Raspberry Pi texts are written from documentation (the kernel's of sysfs, Raspberry
Pi's of vcgencmd), not recorded."""

import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from edgeq.devices import conditions, supplies
from edgeq.devices.condition import Condition
from edgeq.devices.local import LocalLink
from edgeq.devices.profile import AdbSpec, Limits, load_profile
from edgeq.errors import DeviceError
from edgeq.results.records import Reading

CPU = "/sys/devices/system/cpu"
ZONE = "/sys/class/thermal/thermal_zone"
MANY = "9" * 5000


def test_governor_of_all_cores_is_one_reading():
    text = "".join(f"{CPU}/cpu{n}/cpufreq/scaling_governor:ondemand\n" for n in range(4))
    assert conditions.parse_governors(text) == {"governor": Reading(value="ondemand")}


def test_different_governors_are_all_named():
    text = f"{CPU}/cpu0/cpufreq/scaling_governor:schedutil\n{CPU}/cpu4/cpufreq/scaling_governor:performance"
    assert conditions.parse_governors(text)["governor"].value == "performance, schedutil"


def test_clock_of_each_core_is_in_hertz():
    text = f"{CPU}/cpu0/cpufreq/scaling_cur_freq:1500000\n{CPU}/cpu1/cpufreq/scaling_cur_freq:2400000"
    assert conditions.parse_clocks(text) == {
        "clock.cpu0": Reading(value=1_500_000_000, unit="Hz"),
        "clock.cpu1": Reading(value=2_400_000_000, unit="Hz"),
    }


def test_zones_are_named_by_type_and_numbered_when_they_share_it():
    text = f"{ZONE}0/type:cpu-thermal\n{ZONE}1/type:cpu-thermal\n{ZONE}0/temp:48312\n{ZONE}1/temp:-1500\n"
    assert conditions.parse_temperatures(text) == {
        "temperature.cpu-thermal": Reading(value=48.312, unit="degC"),
        "temperature.cpu-thermal.1": Reading(value=-1.5, unit="degC"),
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("throttled=0x0", "0x0 (none now)"),
        ("throttled=0x50005", "0x50005 (undervoltage, throttled)"),
        ("throttled=0x80008", "0x80008 (soft temperature limit)"),
        ("throttled=0x20000", "0x20000 (none now)"),
    ],
)
def test_throttling_tells_what_holds_now(text, value):
    assert conditions.parse_throttling(text)["throttling"].value == value


def test_load_is_that_of_the_last_minute():
    assert conditions.parse_load("0.52 0.58 0.59 1/467 12345") == {"load": Reading(value=0.52, unit="1")}


@pytest.mark.parametrize("name", conditions.OF_LINUX)
def test_nothing_answered_is_a_reason_and_never_a_number(name):
    readings = conditions.OF_LINUX[name].parse("")
    assert readings
    assert all(reading.value is None and reading.missing for reading in readings.values())


def moment(uptime, own, whole):
    """What the shell reads of itself and of all processes, in hundredths of a second."""
    shell = f"7 (sh) S 1 1 1 0 -1 0 1 0 0 0 {own} 0 0 0 20 0 1 0 5"
    return f"{uptime} 5000.00\n{shell}\ncpu  {whole} 0 0 900 0 0 0 0 0 0"


def test_others_are_what_all_processes_did_less_the_shell_that_asks():
    text = f"{moment(12344.67, 1, 4000)}\n{moment(12346.67, 3, 4052)}"
    assert conditions.parse_others(text) == {"others": Reading(value=0.25, unit="1")}


@pytest.mark.parametrize(
    "text", ["", "1 2", moment(1.0, 1, 1), f"{moment('x', 1, 1)}\n{moment(9.0, 1, 1)}", MANY]
)
def test_others_that_are_not_told_are_a_reason(text):
    (reading,) = conditions.parse_others(text).values()
    assert reading.value is None
    assert reading.missing


def test_others_are_asked_when_a_run_is_judged_by_them():
    profile = load_profile("local")
    judged = replace(profile, limits=Limits(load=0.3))
    assert "others" not in conditions.find_conditions(profile)
    assert "others" not in conditions.find_conditions(
        replace(load_profile("virt-pi5"), limits=Limits(load=0.3))
    )
    busy = subprocess.Popen(["timeout", "60", sys.executable, "-c", "while True: pass"])
    try:
        with LocalLink() as link:
            reading = conditions.read_conditions(link, judged)["others"]
    finally:
        busy.terminate()
        busy.wait()
    assert reading.unit == "1"
    assert 0.3 < reading.value <= os.cpu_count() * 1.1


SUPPLY = "/sys/class/power_supply"


def test_phone_on_a_cable_says_what_feeds_it():
    text = f"""{SUPPLY}/battery/type:Battery
{SUPPLY}/battery/status:Charging
{SUPPLY}/battery/capacity:83
{SUPPLY}/ac/type:Mains
{SUPPLY}/ac/online:0
{SUPPLY}/usb/type:USB_PD
{SUPPLY}/usb/online:1"""
    assert supplies.parse_supplies(text) == {
        "battery": Reading(value=0.83, unit="1"),
        "battery_status": Reading(value="Charging"),
        "charger": Reading(value="offline"),
        "usb": Reading(value="online"),
    }


def test_battery_of_a_mouse_does_not_feed_the_device():
    text = f"{SUPPLY}/hid/type:Battery\n{SUPPLY}/hid/scope:Device\n{SUPPLY}/hid/capacity:50"
    assert "no battery" in str(supplies.parse_supplies(text)["battery"].missing)


@pytest.mark.parametrize(("state", "word"), [("0", "on"), ("4", "off")])
def test_screen_is_on_when_its_backlight_is(state, word):
    text = f"/sys/class/backlight/panel/bl_power:{state}"
    assert supplies.parse_screen(text)["screen"].value == word


@pytest.mark.parametrize("percent", ["101", "-1", "²", "9" * 5000])
def test_charge_that_is_no_percentage_is_a_reason(percent):
    text = f"{SUPPLY}/b/type:Battery\n{SUPPLY}/b/capacity:{percent}\n{SUPPLY}/b/status:Burning"
    readings = supplies.parse_supplies(text)
    assert readings["battery"].missing
    assert readings["battery_status"].missing


def test_what_a_phone_tells_otherwise_takes_the_place_of_linuxs(monkeypatch):
    told = {"screen": Condition("dumpsys power", lambda text: {"screen": Reading(value=text)})}
    monkeypatch.setitem(conditions._BY_LINK, AdbSpec, told)
    phone = replace(load_profile("local"), link=AdbSpec())
    assert conditions.find_conditions(phone)["screen"].question == "dumpsys power"
    assert conditions.find_conditions(phone).keys() == conditions.OF_LINUX.keys()
    assert conditions.find_conditions(load_profile("local")) == conditions.OF_LINUX


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clock", "x:1"),
        ("clock", f"{CPU}/cpu0/cpufreq/scaling_cur_freq:²"),
        ("clock", f"{CPU}/cpu0/cpufreq/scaling_cur_freq:{MANY}"),
        ("temperature", f"{ZONE}0/temp:{MANY}"),
        ("temperature", f"{ZONE}0/temp:--5"),
        ("temperature", "temp:²"),
        ("throttling", f"throttled=0x{MANY}"),
        ("load", f"{MANY}.0 0 0"),
        ("memory", f"MemAvailable: {MANY} kB"),
    ],
)
def test_what_is_no_such_number_is_a_reason(name, text):
    (reading,) = conditions.OF_LINUX[name].parse(text).values()
    assert reading.value is None
    assert reading.missing


def test_strange_line_does_not_hide_the_others():
    text = f"x:1\n{CPU}/cpu0/cpufreq/scaling_cur_freq:²\n{CPU}/cpu1/cpufreq/scaling_cur_freq:1000"
    assert conditions.parse_clocks(text) == {"clock.cpu1": Reading(value=1_000_000, unit="Hz")}


def test_shell_that_answers_half_a_line_is_a_device_error(tmp_path, monkeypatch):
    shell = tmp_path / "sh"
    shell.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[-1].split(chr(39))[1], end='')\n")
    shell.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="POSIX shell"):
        conditions.read_conditions(LocalLink(), load_profile("local"))
