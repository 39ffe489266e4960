"""What a profile says about the hardware: its cores, and its sensors with how each is read. Data only."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgeq.devices.cores import CORES, FEATURES, is_core_name

Quantity = Literal["temperature", "throttling", "clock", "power", "voltage", "current", "energy", "charge"]

# Where the sensor sits, which is what its number holds: a rail feeds a part of the board only, a supply all
# of it, and a battery's discharge is all that the device draws.
Site = Literal["soc", "cpu", "gpu", "memory", "rail", "board", "supply", "battery", "skin", "ambient"]

# The unit of the number as it is read, before anything is made of it.
RawUnit = Literal[
    "degC", "ddegC", "mdegC", "Hz", "kHz", "MHz", "W", "mW", "uW", "pW", "V", "mV", "uV", "A", "mA", "uA",
    "J", "mJ", "uJ", "uWh", "percent", "flags",
]  # fmt: skip

# Raw unit -> (what it measures, how much one of it is in the SI unit of that; flags have none).
UNITS: dict[str, tuple[Quantity, float]] = {
    "degC": ("temperature", 1.0), "ddegC": ("temperature", 1e-1), "mdegC": ("temperature", 1e-3),
    "Hz": ("clock", 1.0), "kHz": ("clock", 1e3), "MHz": ("clock", 1e6),
    "W": ("power", 1.0), "mW": ("power", 1e-3), "uW": ("power", 1e-6), "pW": ("power", 1e-12),
    "V": ("voltage", 1.0), "mV": ("voltage", 1e-3), "uV": ("voltage", 1e-6),
    "A": ("current", 1.0), "mA": ("current", 1e-3), "uA": ("current", 1e-6),
    "J": ("energy", 1.0), "mJ": ("energy", 1e-3), "uJ": ("energy", 1e-6),
    "uWh": ("energy", 3.6e-3),
    "percent": ("charge", 1e-2), "flags": ("throttling", 1.0),
}  # fmt: skip

# These reach the device's shell: paths and patterns of plain letters, with `*` for any.
Path = Annotated[str, Meta(pattern=r"^/(sys|proc)/[A-Za-z0-9_./*:,@+-]+$")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9*][A-Za-z0-9_.*-]*$")]
HwmonInput = Annotated[str, Meta(pattern=r"^(temp|in|curr|power|energy)[0-9]+_(input|average)$")]
SupplyAttribute = Literal["power_now", "voltage_now", "current_now", "energy_now", "capacity", "temp"]


class ProfilePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a profile: strict, immutable."""


class FileSource(ProfilePart, frozen=True, kw_only=True, tag="file"):
    """A number in each file of a glob below /sys or /proc."""

    path: Path


class HwmonSource(ProfilePart, frozen=True, kw_only=True, tag="hwmon"):
    """A channel of Linux's hwmon (Documentation/hwmon/sysfs-interface.rst): m°C, mV, mA, uW, uJ.

    Attributes:
        chip: content of the chip's `name`; its number changes from boot to boot.
        input: file of the channel.
        times: another channel to multiply it by: `curr1_input` times `in1_input` is mA x mV, so uW.
    """

    chip: Name
    input: HwmonInput
    times: HwmonInput | None = None


class ThermalSource(ProfilePart, frozen=True, kw_only=True, tag="thermal"):
    """A thermal zone by its `type` (Documentation/driver-api/thermal/sysfs-api.rst): m°C."""

    zone: Name


class SupplySource(ProfilePart, frozen=True, kw_only=True, tag="power_supply"):
    """An attribute of a battery or charger (Documentation/ABI/testing/sysfs-class-power): uW, uV, uA, ...

    Attributes:
        supply: its folder in /sys/class/power_supply.
        times: another attribute to multiply it by: `current_now` times `voltage_now` is uA x uV, so pW.
    """

    supply: Name
    attribute: SupplyAttribute
    times: SupplyAttribute | None = None


class CommandSource(ProfilePart, frozen=True, kw_only=True, tag="command"):
    """What a program of the device prints.

    Attributes:
        argv: program and arguments; no shell sees them.
        format: how its output is to be understood.
    """

    argv: Annotated[tuple[str, ...], Meta(min_length=1)]
    format: Literal[
        "number",
        "vcgencmd_get_throttled",
        "vcgencmd_measure_temp",
        "vcgencmd_pmic_read_adc",
        "power_stats",
        "power_stats_cpu",
    ]


Source = FileSource | HwmonSource | ThermalSource | SupplySource | CommandSource


class Sensor(ProfilePart, frozen=True, kw_only=True):
    """Something that the device can be asked for.

    Attributes:
        name: what the reading is called; each once in a profile.
        unit: unit of the number as it is read.
        documented: where it says so.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    quantity: Quantity
    site: Site
    unit: RawUnit
    source: Source
    documented: Annotated[str, Meta(min_length=1)]

    def __post_init__(self) -> None:
        if UNITS[self.unit][0] != self.quantity:
            fitting = ", ".join(unit for unit, (quantity, _) in UNITS.items() if quantity == self.quantity)
            raise ValueError(f"a {self.quantity} is not in {self.unit}; it is in one of: {fitting}")
        fixed = kernel_unit(self.source)
        if fixed not in (None, self.unit):
            raise ValueError(
                f"the kernel gives this in {fixed or 'no unit that there is'}, not in {self.unit}"
            )


# Units that the kernel's documents fix, by the beginning of the name; two factors by the names of both.
_HWMON_UNITS: dict[str, RawUnit] = {
    "temp": "mdegC", "in": "mV", "curr": "mA", "power": "uW", "energy": "uJ",
    "curr in": "uW", "in curr": "uW",
}  # fmt: skip
_SUPPLY_UNITS: dict[str, RawUnit] = {
    "power_now": "uW", "voltage_now": "uV", "current_now": "uA", "energy_now": "uWh", "capacity": "percent",
    "temp": "ddegC", "current_now voltage_now": "pW", "voltage_now current_now": "pW",
}  # fmt: skip


def kernel_unit(source: Source) -> RawUnit | Literal[""] | None:
    """The unit that the kernel gives a number in; empty when there is none, None when others say."""
    match source:
        case ThermalSource():
            return "mdegC"
        case HwmonSource():
            names = [name.partition("_")[0] for name in (source.input, source.times) if name]
            return _HWMON_UNITS.get(" ".join(name.rstrip("0123456789") for name in names), "")
        case SupplySource():
            return _SUPPLY_UNITS.get(" ".join(name for name in (source.attribute, source.times) if name), "")
    return None


class Cores(ProfilePart, frozen=True, kw_only=True):
    """Cores of one kind.

    Attributes:
        name: as edgeq names it, e.g. `Cortex-A76`.
        cpus: their numbers in Linux.
        max_hz: highest clock, Hz; None where it is not known.
        features: what these have, beside the features that all of them have.
    """

    name: str
    cpus: Annotated[tuple[Annotated[int, Meta(ge=0, le=4095)], ...], Meta(min_length=1)]
    max_hz: Annotated[int, Meta(ge=1_000_000)] | None = None
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_core_name(self.name):
            raise ValueError(f"no core is called {self.name!r}; there are: {', '.join(CORES.values())}")
        check_features(self.features)


def check_features(names: tuple[str, ...]) -> None:
    """Refuse a feature that the kernel has no such word for.

    Raises:
        ValueError: naming it.
    """
    if unknown := sorted(set(names) - FEATURES):
        raise ValueError(
            f"no feature is called {', '.join(unknown)}; the words are those of Features in /proc/cpuinfo"
        )


def check_parts(cores: tuple[Cores, ...], sensors: tuple[Sensor, ...]) -> None:
    """Refuse two parts that say different things of one.

    Raises:
        ValueError: a core number or a sensor's name that stands twice.
    """
    for what, all_of_them in (
        ("cpu number", [str(cpu) for kind in cores for cpu in kind.cpus]),
        ("sensor", [sensor.name for sensor in sensors]),
    ):
        if twice := sorted({each for each in all_of_them if all_of_them.count(each) > 1}):
            raise ValueError(f"{what} {', '.join(twice)} stands twice")
