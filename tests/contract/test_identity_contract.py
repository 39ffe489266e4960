"""What every device says of itself and of its state."""

import msgspec
import pytest

from edgeq.devices.conditions import read_conditions
from edgeq.devices.probe import identify
from edgeq.devices.profile import Limits, load_profile
from edgeq.errors import DeviceError


def test_device_says_what_it_is(link):
    info = identify(link, load_profile("virt-pi5"))
    assert info.kernel.startswith("Linux ")
    assert info.arch
    assert info.cpu not in ("", "unknown")
    assert info.features
    assert info.libc.startswith(("glibc 2.", "bionic"))
    assert info.os != "unknown"


def test_device_with_too_little_room_is_refused(link):
    profile = msgspec.structs.replace(load_profile("virt-pi5"), limits=Limits(free_disk=10**18))
    with pytest.raises(DeviceError, match=r"are free at /var/tmp/edgeq, the profile asks for 1000000000 GB"):
        identify(link, profile)


def test_every_condition_is_a_value_or_a_reason(link):
    readings = read_conditions(link, load_profile("virt-pi5"))
    assert readings["load"].unit == "1"
    assert readings["memory_available"].value > 0
    assert {name.partition(".")[0] for name in readings} == {
        "governor", "clock", "temperature", "throttling", "load", "memory_available",
        "battery", "battery_status", "charger", "usb", "screen",
    }  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(readings))
