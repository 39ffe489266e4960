"""Cores and sensors of a profile: what is accepted, and what is refused by file and key."""

import subprocess

import pytest

from edgeq.devices.cores import CORES, FEATURES, feature_names, is_core_name, name_core
from edgeq.devices.hardware import (
    UNITS,
    CommandSource,
    FileSource,
    HwmonSource,
    Sensor,
    SupplySource,
    ThermalSource,
    kernel_unit,
)
from edgeq.devices.profile import read_profile
from edgeq.devices.sensors import presence_script, tell_presence
from edgeq.errors import ProfileError

HEAD = 'schema = 1\ndescription = "a board"\n[link]\ntype = "ssh"\nhost = "pi.local"\n'
CORE = '[[cores]]\nname = "Cortex-A76"\ncpus = [0, 1]\nmax_hz = 2_400_000_000\n'
SENSOR = """[[sensors]]
name = "board"
quantity = "power"
site = "board"
unit = "uW"
source = { type = "hwmon", chip = "ina2*", input = "power1_input" }
documented = "INA219 data sheet"
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return read_profile(path)

    return read_text


def test_core_and_sensor_are_read(read):
    profile = read(HEAD + CORE + SENSOR)
    assert profile.cores[0].cpus == (0, 1)
    assert profile.sensors[0].source == HwmonSource(chip="ina2*", input="power1_input")


@pytest.mark.parametrize(
    "source",
    [
        '{ type = "hwmon", chip = "ina3221", input = "curr1_input", times = "in1_input" }',
        '{ type = "command", argv = ["vcgencmd", "pmic_read_adc"], format = "vcgencmd_pmic_read_adc" }',
        '{ type = "file", path = "/sys/bus/i2c/devices/1-0040/hwmon/hwmon*/power1_input" }',
    ],
)
def test_power_can_be_described_as_devices_tell_it(read, source):
    text = SENSOR.replace('{ type = "hwmon", chip = "ina2*", input = "power1_input" }', source)
    assert read(HEAD + text).sensors[0].quantity == "power"


@pytest.mark.parametrize(
    ("source", "unit"),
    [
        (HwmonSource(chip="x", input="temp1_input"), "mdegC"),
        (HwmonSource(chip="x", input="in0_input"), "mV"),
        (HwmonSource(chip="x", input="power1_average"), "uW"),
        (HwmonSource(chip="x", input="curr1_input", times="in1_input"), "uW"),
        (HwmonSource(chip="x", input="temp1_input", times="in1_input"), ""),
        (SupplySource(supply="x", attribute="power_now"), "uW"),
        (SupplySource(supply="x", attribute="current_now", times="voltage_now"), "pW"),
        (SupplySource(supply="x", attribute="capacity", times="temp"), ""),
        (ThermalSource(zone="x"), "mdegC"),
        (FileSource(path="/sys/x"), None),
        (CommandSource(argv=("x",), format="number"), None),
    ],
)
def test_unit_is_the_one_that_the_kernels_documents_fix(source, unit):
    assert kernel_unit(source) == unit


def test_unit_that_the_kernel_does_not_give_is_refused(read):
    with pytest.raises(ProfileError, match=r"the kernel gives this in uW, not in mW.*\$\.sensors\[0\]"):
        read(HEAD + SENSOR.replace('"uW"', '"mW"'))


def test_factors_of_a_battery_make_a_power(read):
    source = '{ type = "power_supply", supply = "BAT*", attribute = "current_now", times = "voltage_now" }'
    text = SENSOR.replace('{ type = "hwmon", chip = "ina2*", input = "power1_input" }', source)
    assert read(HEAD + text.replace('"uW"', '"pW"')).sensors[0].unit == "pW"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('"Cortex-A76"', '"Cortex-B76"'), r"Cortex-B76.*Cortex-A53.*\$\.cores\[0\]"),
        (("[0, 1]", "[]"), r"\$\.cores\[0\]\.cpus"),
        (("[0, 1]", "[-1]"), r"\$\.cores\[0\]\.cpus\[0\]"),
        (("[0, 1]", "[1, 1]"), "cpu number 1 stands twice"),
        (("max_hz = 2_400_000_000", "max_hz = 2400"), r"\$\.cores\[0\]\.max_hz"),
        (("max_hz = 2_400_000_000", 'features = ["dotprod"]'), r"dotprod.*/proc/cpuinfo.*\$\.cores\[0\]"),
        (("max_hz", "max_mhz"), "max_mhz"),
        (('unit = "uW"', 'unit = "mV"'), r"a power is not in mV.*W, mW, uW.*\$\.sensors\[0\]"),
        (('unit = "uW"', 'unit = "horsepower"'), r"horsepower.*\$\.sensors\[0\]\.unit"),
        (('quantity = "power"', 'quantity = "smell"'), r"smell.*\$\.sensors\[0\]\.quantity"),
        (('site = "board"', 'site = "moon"'), r"moon.*\$\.sensors\[0\]\.site"),
        (('"hwmon"', '"telepathy"'), r"telepathy.*\$\.sensors\[0\]\.source"),
        (('"ina2*"', '"$(reboot)"'), r"\$\.sensors\[0\]\.source\.chip"),
        (('"power1_input"', '"../../x"'), r"\$\.sensors\[0\]\.source\.input"),
        (('input = "power1_input"', 'input = "power1_input", scale = 2'), "scale"),
        (('name = "board"', 'name = "a b"'), r"\$\.sensors\[0\]\.name"),
        (('documented = "INA219 data sheet"', 'documented = ""'), r"\$\.sensors\[0\]\.documented"),
        (('documented = "INA219 data sheet"\n', ""), "documented"),
    ],
)
def test_wrong_part_names_file_and_key(read, change, complaint):
    with pytest.raises(ProfileError, match=f"mine.toml: .*{complaint}"):
        read((HEAD + CORE + SENSOR).replace(*change))


def test_two_sensors_of_one_name_are_refused(read):
    with pytest.raises(ProfileError, match="sensor board stands twice"):
        read(HEAD + SENSOR + SENSOR)


@pytest.mark.parametrize("path", ["/sys/x; reboot", "/sys/$(x)", "/etc/passwd", "/sys/a b", "/sys/`x`"])
def test_path_that_a_shell_would_obey_is_refused(read, path):
    with pytest.raises(ProfileError, match="path"):
        read(
            HEAD
            + SENSOR.replace('"hwmon", chip = "ina2*", input = "power1_input"', f'"file", path = "{path}"')
        )


def test_every_unit_belongs_to_a_quantity_and_every_quantity_has_one():
    assert set(UNITS) == set(Sensor.__annotations__["unit"].__args__)
    assert {quantity for quantity, _ in UNITS.values()} == set(Sensor.__annotations__["quantity"].__args__)


def test_cores_are_known_by_name_and_by_number():
    assert name_core(0x41, 0xD0B) == "Cortex-A76"
    assert all(map(is_core_name, CORES.values()))
    assert is_core_name(name_core(0x61, 0x22))
    assert not is_core_name("core 7")


def test_features_are_named_by_the_bits_of_the_kernel():
    assert feature_names(1 << 1 | 1 << 20 | 1 << 22, 1 << 13) == ("asimd", "asimddp", "sve", "i8mm")
    assert {"asimddp", "i8mm", "sve"} <= FEATURES


def _sensor(source, unit="uW", quantity="power"):
    return Sensor(name="s", quantity=quantity, site="board", unit=unit, source=source, documented="here")


def _ask(source, root):
    """What the presence script prints on a device whose /sys is below `root`."""
    script = presence_script(source).replace("/sys/", f"{root}/sys/")
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout


@pytest.fixture
def root(tmp_path):
    for name, text in {
        "sys/class/hwmon/hwmon0/name": "cpu_thermal",
        "sys/class/hwmon/hwmon3/name": "ina219",
        "sys/class/hwmon/hwmon3/curr1_input": "500",
        "sys/class/hwmon/hwmon3/in1_input": "5000",
        "sys/class/thermal/thermal_zone0/type": "gpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": "41000",
        "sys/class/thermal/thermal_zone1/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone1/temp": "48312",
        "sys/class/power_supply/BAT0/power_now": "7300000",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "shows"),
    [
        (ThermalSource(zone="cpu-thermal"), "48312"),
        (ThermalSource(zone="*"), "41000 48312"),
        (ThermalSource(zone="nose"), ""),
        (HwmonSource(chip="ina2*", input="curr1_input"), "500"),
        (HwmonSource(chip="ina2*", input="curr1_input", times="in1_input"), "500 5000"),
        (HwmonSource(chip="ina2*", input="curr1_input", times="in2_input"), ""),
        (SupplySource(supply="BAT*", attribute="power_now"), "7300000"),
        (SupplySource(supply="BAT*", attribute="power_now", times="voltage_now"), ""),
        (FileSource(path="/sys/class/thermal/thermal_zone*/temp"), "41000 48312"),
        (FileSource(path="/sys/nowhere*/temp"), ""),
        (CommandSource(argv=("echo", "it's $HOME"), format="number"), "it's $HOME"),
        (CommandSource(argv=("no-such-program",), format="number"), ""),
    ],
)
def test_sensor_is_found_where_it_is_and_only_there(root, source, shows):
    assert " ".join(_ask(source, root).split("\n")).strip() == shows


def test_what_a_sensor_shows_is_told_with_its_unit():
    thermal = _sensor(ThermalSource(zone="*"), "mdegC", "temperature")
    assert tell_presence(thermal, "41000\n48312\n") == "temperature (board): 41000, 48312 mdegC"
    command = _sensor(CommandSource(argv=("x",), format="vcgencmd_pmic_read_adc"), "W")
    assert tell_presence(command, "3V3_SYS_A current(1)=0.1A\n3V3_SYS_V volt(9)=3.3V\n").endswith(
        "3V3_SYS_A current(1)=0.1A and 1 more lines"
    )
    assert tell_presence(thermal, " \n") is None
