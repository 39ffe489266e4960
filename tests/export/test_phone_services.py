"""Sensors and settings of a phone, over the real adb and adbd; its services follow the sources of AOSP."""

import json
import os
import subprocess
import sys

import pytest
from phone_peers.phone import run_phone
from phone_peers.services import CPU_WATTS, METER, WATTS, add_services

from edgeq.devices.conditions import read_conditions
from edgeq.devices.profile import load_profile
from edgeq.devices.tuning import tuned

PROFILE = load_profile("android")


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    with run_phone(tmp_path_factory.mktemp("phone")) as running:
        yield running


@pytest.fixture(scope="module")
def state(phone):
    return add_services(phone)


def test_certificate_tells_battery_heat_and_screen(phone, state):
    with phone.link() as link:
        readings = read_conditions(link, PROFILE)
    assert readings["battery_status"].value == "Charging"
    assert readings["usb"].value == "online"
    assert readings["screen"].value == "on"
    assert readings["throttling"].value == "thermal status 1 (light throttling)"
    assert readings["temperature.VIRTUAL-SKIN"].value == 33.6


def test_what_is_tuned_is_put_back_as_it_was(phone, state):
    told = []
    with phone.link() as link, tuned(link, PROFILE, told.append, power=True):
        assert (state / "fixed").read_text() == "true\n"
        assert (state / "setting.stay_on_while_plugged_in").read_text() == "7\n"
        assert (state / "property.power.battery_input.suspended").read_text() == "true\n"
    assert (state / "fixed").read_text() == "false\n"
    assert not (state / "setting.stay_on_while_plugged_in").exists()
    assert (state / "property.power.battery_input.suspended").read_text() == "false\n"
    assert any("the screen stays on, which draws power" in line for line in told)


def test_phone_without_fixed_performance_says_so_and_is_tuned_else(phone, state):
    told = []
    (state / "no-fixed").touch()
    with phone.link() as link, tuned(link, PROFILE, told.append):
        assert (state / "setting.stay_on_while_plugged_in").read_text() == "7\n"
    (state / "no-fixed").unlink()
    assert "fixed performance mode is not tuned: this user may not set it" in told
    assert not any("charging" in line for line in told)


def test_energy_is_that_of_the_rails_and_none_is_made_of_a_battery(phone, state, digits_int8, tmp_path):
    command = [sys.executable, "-m", "edgeq", "bench", digits_int8.folder, "--device", "android", "--quiet"]
    command += ["--measure", "latency,power", "--json", tmp_path / "report.json"]
    environment = os.environ | {"ADB": str(phone.adb), "EDGEQ_STORE": str(tmp_path / "runs.sqlite")}
    environment.pop("ANDROID_SERIAL", None)
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    # Its thermal status is 1 (tests/fixtures/android): measured, kept, and not valid.
    assert done.returncode == 6, done.stderr
    assert "not valid: the device was held back: light throttling" in done.stderr
    (run,) = json.loads((tmp_path / "report.json").read_text())["runs"]
    power = {each["source"].partition(" ")[0]: each for each in run["series"] if each["name"] == "power"}
    assert power.keys() == {"rails", "cpu-rails"}
    for name, watts in (("rails", WATTS), ("cpu-rails", CPU_WATTS)):
        values = power[name]["values"]
        assert sum(values) / len(values) == pytest.approx(watts, rel=0.02)
    assert METER in power["rails"]["source"]
    # A charging battery's current is no reading of what the phone draws.
    assert not any("battery" in series["source"] for series in run["series"])
    assert run["conditions"]["before"]["battery_status"]["value"] == "Charging"
