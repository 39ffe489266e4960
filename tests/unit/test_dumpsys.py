"""What Android's services print, as readings; the texts are written from AOSP's sources."""

from pathlib import Path

import pytest

from edgeq.devices.adb.conditions import ON_A_PHONE
from edgeq.devices.adb.dumpsys import parse_battery, parse_meter, parse_screen, parse_thermal
from edgeq.results.records import Reading

TEXTS = Path(__file__).parents[1] / "fixtures/android"
BATTERY, THERMAL, POWER, METER = (
    (TEXTS / f"{name}.txt").read_text() for name in ("battery", "thermalservice", "power", "power_stats")
)


def test_battery_that_charges_over_usb_says_so():
    assert parse_battery(BATTERY) == {
        "battery": Reading(value=0.63, unit="1"),
        "battery_status": Reading(value="Charging"),
        "charger": Reading(value="offline"),
        "usb": Reading(value="online"),
        "temperature.battery": Reading(value=29.7, unit="degC"),
    }


@pytest.mark.parametrize(
    ("number", "word"), [("1", "Unknown"), ("3", "Discharging"), ("4", "Not charging"), ("5", "Full")]
)
def test_status_of_a_battery_is_a_word_of_linux(number, word):
    text = BATTERY.replace("status: 2", f"status: {number}")
    assert parse_battery(text)["battery_status"].value == word


def test_wireless_charger_is_a_charger():
    assert parse_battery(BATTERY.replace("Wireless powered: false", "Wireless powered: true"))["charger"] == (
        Reading(value="online")
    )


def test_battery_service_that_was_told_what_to_say_is_not_believed():
    text = BATTERY.replace("state:", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)")
    assert all(reading.missing for reading in parse_battery(text).values())
    assert "dumpsys battery reset" in str(parse_battery(text)["battery"].missing)


@pytest.mark.parametrize("level", ["101", "-1", "²", "9" * 50, ""])
def test_level_that_is_no_share_of_the_scale_is_a_reason(level):
    assert parse_battery(BATTERY.replace("level: 63", f"level: {level}"))["battery"].missing


def test_temperatures_are_those_that_the_hal_gives_now():
    readings = parse_thermal(THERMAL)
    assert {name: each.value for name, each in readings.items() if name.startswith("temperature")} == {
        "temperature.CPU0": 38.25,
        "temperature.VIRTUAL-SKIN": 33.6,
        "temperature.battery": 29.7,
    }


@pytest.mark.parametrize(
    ("number", "said"), [(0, "thermal status 0 (none now)"), (4, "thermal status 4 (critical throttling)")]
)
def test_thermal_status_is_the_throttling_of_a_phone(number, said):
    text = THERMAL.replace("Thermal Status: 1", f"Thermal Status: {number}")
    assert parse_thermal(text)["throttling"].value == said


def test_thermal_status_that_the_phone_was_told_to_show_is_not_believed():
    readings = parse_thermal(THERMAL.replace("IsStatusOverride: false", "IsStatusOverride: true"))
    assert readings["throttling"].value is None
    assert "cmd thermalservice reset" in str(readings["throttling"].missing)
    assert readings["temperature.CPU0"].value == 38.25


@pytest.mark.parametrize(
    ("word", "state"), [("Awake", "on"), ("Dreaming", "on"), ("Asleep", "off"), ("Dozing", "off")]
)
def test_screen_is_on_while_the_phone_is_awake(word, state):
    assert parse_screen(POWER.replace("Awake", word))["screen"].value == state


def test_rails_are_summed_in_joules():
    assert parse_meter(METER) == pytest.approx(7008.561)
    assert parse_meter(METER, "CPU") == pytest.approx(1468.56075)


def test_rail_of_a_processor_without_kinds_of_core_counts():
    assert parse_meter("  [S4M_VDD_CPU]:CPU  1500.00 mWs\n  [VBATT]:Battery  9000.00 mWs\n", "CPU") == 1.5


@pytest.mark.parametrize("line", ["  [VDD_CPU]:CPU: 1.00 mWs", "  [VDD_CPU]:CPU  -1.00 mWs", "[A]: 1.00 mWs"])
def test_sum_without_a_rail_that_cannot_be_read_is_not_told(line):
    assert parse_meter(f"{METER}{line}\n") is None


def test_delta_in_brackets_is_not_the_counter():
    assert parse_meter("  [S4M_VDD_CPUCL0]:CPU   1234.50 mWs (   12.34)\n") == pytest.approx(1.2345)


@pytest.mark.parametrize(
    "text", ["", "Can't find service: x", "\0\xff" * 100, "[A]:CPU NaN mWs", "9" * 10_000]
)
def test_any_other_text_is_a_reason_and_no_number(text):
    assert parse_meter(text) is None
    for condition in ON_A_PHONE.values():
        readings = condition.parse(text)
        assert readings
        assert all(reading.missing for reading in readings.values())
