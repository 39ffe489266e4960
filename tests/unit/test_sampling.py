"""Sensors of a profile on a fixture tree, and what the text of a reading means."""

import pytest

from edgeq.devices.hardware import (
    CommandSource,
    FileSource,
    HwmonSource,
    Sensor,
    SupplySource,
    ThermalSource,
)
from edgeq.devices.local import LocalLink
from edgeq.devices.sampling import (
    MILLIAMPERE,
    UNSIGNED,
    Probe,
    battery_power,
    find_probes,
    parse_rails,
    parse_text,
)
from edgeq.results.records import Missing


def make_sensor(source, name="watts", quantity="power", site="board", unit="uW"):
    return Sensor(name=name, quantity=quantity, site=site, unit=unit, source=source, documented="a test")


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    return str(file)


def find(root, *sensors):
    return find_probes(LocalLink(), sensors, root=str(root))


def test_hwmon_chip_is_found_by_its_name_wherever_it_sits(tmp_path):
    write(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    write(tmp_path, "sys/class/hwmon/hwmon0/power1_input", "1")
    write(tmp_path, "sys/class/hwmon/hwmon3/name", "ina219")
    path = write(tmp_path, "sys/class/hwmon/hwmon3/power1_input", "2500000")
    write(tmp_path, "sys/class/hwmon/hwmon3/update_interval", "20")
    (probe,), missing = find(tmp_path, make_sensor(HwmonSource(chip="ina219", input="power1_input")))
    assert (probe.files, probe.form, probe.scale, probe.period) == ((path,), "number", 1e-6, 0.02)
    assert missing == {}
    assert parse_text(probe, "2500000") == pytest.approx(2.5)


def test_current_times_voltage_is_read_at_once(tmp_path):
    for chip in (2, 4):
        write(tmp_path, f"sys/class/hwmon/hwmon{chip}/name", "ina3221")
        write(tmp_path, f"sys/class/hwmon/hwmon{chip}/curr1_input", "500")
    voltage = write(tmp_path, "sys/class/hwmon/hwmon4/in1_input", "5000")
    source = HwmonSource(chip="ina*", input="curr1_input", times="in1_input")
    (probe,), _ = find(tmp_path, make_sensor(source))
    assert probe.files == (voltage.replace("in1", "curr1"), voltage)
    assert parse_text(probe, "500\n5000") == pytest.approx(2.5)
    assert parse_text(probe, "500") is None
    assert parse_text(probe, "500\n") is None
    assert parse_text(probe, "1\n2\n3") is None


def test_every_channel_that_fits_becomes_a_probe(tmp_path):
    for core in range(3):
        write(tmp_path, f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", "1500000")
        write(tmp_path, f"sys/class/thermal/thermal_zone{core}/type", f"zone-{core % 2}")
        write(tmp_path, f"sys/class/thermal/thermal_zone{core}/temp", "41500")
    clock = make_sensor(
        FileSource(path="/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"),
        "clock",
        "clock",
        "cpu",
        "kHz",
    )
    heat = make_sensor(ThermalSource(zone="zone-0"), "heat", "temperature", "soc", "mdegC")
    probes, missing = find(tmp_path, clock, heat)
    assert [probe.name for probe in probes] == ["clock", "clock.2", "clock.3", "heat", "heat.2"]
    assert missing == {}
    assert parse_text(probes[0], "1500000") == 1.5e9
    assert parse_text(probes[3], "41500") == 41.5


def test_sensor_that_the_device_has_not_is_missing_with_its_name(tmp_path):
    probes, missing = find(
        tmp_path,
        make_sensor(HwmonSource(chip="ina219", input="power1_input"), "a"),
        make_sensor(CommandSource(argv=("edgeq-no-such",), format="vcgencmd_pmic_read_adc"), "b", unit="W"),
        make_sensor(SupplySource(supply="BAT*", attribute="power_now"), "c", site="battery"),
        make_sensor(CommandSource(argv=("echo", "3"), format="number"), "d", unit="W"),
    )
    assert [(probe.name, probe.command) for probe in probes] == [("d", ("echo", "3"))]
    assert missing == {
        "a": "the device has no hwmon ina219 power1_input",
        "b": "the device has no command `edgeq-no-such`",
        "c": "the device has no power supply BAT* power_now",
    }


def test_battery_is_read_with_its_status_and_the_chargers(tmp_path):
    write(tmp_path, "sys/class/power_supply/battery/current_now", "-229375")
    write(tmp_path, "sys/class/power_supply/battery/voltage_now", "4000000")
    write(tmp_path, "sys/class/power_supply/usb/online", "0")
    source = SupplySource(supply="battery", attribute="current_now", times="voltage_now")
    sensor = make_sensor(source, site="battery", unit="pW")
    assert find(tmp_path, sensor)[0] == (), "without a status nothing says that it was discharging"
    write(tmp_path, "sys/class/power_supply/battery/status", "Discharging")
    (probe,), _ = find(tmp_path, sensor)
    folder = f"{tmp_path}/sys/class/power_supply"
    names = ("battery/current_now", "battery/voltage_now", "battery/status", "usb/online")
    assert probe.files == tuple(f"{folder}/{name}" for name in names)


BATTERY = Probe(
    name="battery",
    quantity="power",
    site="battery",
    form="battery",
    scale=1e-12,
    described="power supply battery current_now x voltage_now",
)


@pytest.mark.parametrize(
    ("current", "assumed"),
    [
        ("-229375", (UNSIGNED,)),  # Pixel 8: uA, negative while discharging
        ("229375", (UNSIGNED,)),  # OnePlus 7T: positive while discharging
        ("-229", (UNSIGNED, MILLIAMPERE)),  # Samsung A52s: mA
    ],
)
def test_vendors_signs_and_units_are_settled_and_said(current, assumed):
    watts, assumptions = battery_power(BATTERY, [f"{current}\n4000000\nDischarging\n0"] * 3)
    assert watts == pytest.approx([0.9175] * 3, rel=0.01)
    assert assumptions == assumed


def test_unit_is_judged_by_the_whole_run():
    """A sleeping phone may draw 5 mA, which as uA is a small number too."""
    texts = ["5000\n4000000\nDischarging", "400000\n4000000\nDischarging", None, "x\n4000000\nDischarging"]
    watts, assumptions = battery_power(BATTERY, texts)
    assert watts == (pytest.approx(0.02), pytest.approx(1.6), None, None)
    assert assumptions == (UNSIGNED,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-1\n2\nCharging\n0", "but Charging"),
        ("-1\n2\nFull\n0", "but Full"),
        ("-1\n2\nUnknown\n0", "but Unknown"),
        ("-1\n2\nDischarging\n1", "a charger or USB power was connected"),
        ("-1\n2\n\n0", "but silent"),
        ("-1\n2", "nothing that can be read"),
        (None, "nothing that can be read"),
    ],
)
def test_battery_that_does_not_carry_the_device_says_nothing(text, said):
    texts = ["-229375\n4000000\nDischarging\n0"] * 5
    found = battery_power(BATTERY, [text] if "nothing" in said else [*texts, text])
    assert isinstance(found, Missing)
    assert said in found.missing


def test_one_power_attribute_needs_no_assumption():
    probe = Probe(
        name="battery",
        quantity="power",
        site="battery",
        form="battery",
        scale=1e-6,
        described="power supply BAT* power_now",
    )
    assert battery_power(probe, ["8000000\nDischarging\n0"]) == ((pytest.approx(8.0),), ())


# As a Raspberry Pi 5 prints it, shortened.
RAILS = """ 3V7_WL_SW_A current(0)=0.00390372A
   3V3_SYS_A current(1)=0.05953173A
  VDD_CORE_A current(7)=0.75690000A
      HDMI_A current(22)=0.01269840A
 3V7_WL_SW_V volt(8)=3.70238100V
   3V3_SYS_V volt(9)=3.31210200V
  VDD_CORE_V volt(15)=0.72083000V
   EXT5V_V volt(24)=5.15141900V
     BATT_V volt(25)=0.00000000V"""


def test_rails_are_summed_where_both_current_and_voltage_are_known():
    expected = 0.00390372 * 3.702381 + 0.05953173 * 3.312102 + 0.7569 * 0.72083
    assert parse_rails(RAILS) == pytest.approx(expected, rel=1e-12)
    assert parse_rails('error=1 error_msg="Command not registered"') is None


@pytest.mark.parametrize(
    "text", ["", " ", "nan", "inf", "0x10", "1e9", "1_0", "٣", "-", "1 2", "9" * 30, "No such device"]
)
def test_nonsense_is_no_number(text):
    probe = Probe(name="x", quantity="power", site="board", form="number", scale=1.0, described="x")
    assert parse_text(probe, text) is None


def test_firmware_answers_are_understood():
    heat = Probe(name="x", quantity="temperature", site="soc", form="temperature", scale=1.0, described="x")
    assert parse_text(heat, "temp=48.3'C") == 48.3
    assert parse_text(heat, "48.3") is None
    flags = Probe(name="x", quantity="throttling", site="board", form="flags", scale=1.0, described="x")
    assert parse_text(flags, "throttled=0x50005") == 0x50005
