"""A run beyond its device's limits is not valid, and says why."""

import msgspec
import pytest
from runs import make_run

from edgeq.devices.adb.dumpsys import STATUS_TOLD
from edgeq.devices.profile import Limits, load_profile
from edgeq.errors import InputError
from edgeq.measure.validity import find_faults
from edgeq.results.likeness import check_allowed, find_differences
from edgeq.results.records import Conditions, Reading

PI = load_profile("raspberry-pi-5")


def faults(limits=None, before=None, after=None):
    profile = msgspec.structs.replace(PI, limits=limits or Limits())
    return find_faults(profile, Conditions(before=before or {}, after=after or {}))


def degrees(value):
    return Reading(value=value, unit="degC")


def test_profile_without_limits_finds_no_fault():
    assert faults() == ()


@pytest.mark.parametrize(
    ("limits", "before", "said"),
    [
        ({"load": 0.5}, {"others": Reading(value=2.25, unit="1")}, "load of others at the start was 2.25"),
        ({"load": 0.5}, {"others": Reading(missing="no /proc")}, "is not known: no /proc"),
        ({"load": 0.5}, {}, "is not known: not read"),
        (
            {"temperature": 60},
            {"temperature.cpu": degrees(48.2), "temperature.gpu": degrees(71.5)},
            "temperature at the start was 71.5 °C, above 60 °C",
        ),
        ({"temperature": 60}, {"temperature": Reading(missing="no zone")}, "is not known: no zone"),
        ({"governor": "performance"}, {"governor": Reading(value="ondemand")}, "ondemand, not performance"),
        ({"governor": "performance"}, {"governor": Reading(missing="no cpufreq")}, "not known: no cpufreq"),
    ],
)  # fmt: skip
def test_limit_that_was_not_kept_is_named(limits, before, said):
    (fault,) = faults(Limits(**limits), before)
    assert said in fault


@pytest.mark.parametrize(
    ("limits", "before"),
    [
        ({"load": 0.5}, {"others": Reading(value=0.5, unit="1")}),
        # The run before this one was busy for half of the last minute, and nobody is now.
        ({"load": 0.3}, {"load": Reading(value=0.4, unit="1"), "others": Reading(value=0.01, unit="1")}),
        ({"temperature": 60}, {"temperature.cpu": degrees(60.0)}),
        ({"governor": "performance"}, {"governor": Reading(value="performance")}),
    ],
)
def test_limit_that_was_kept_is_no_fault(limits, before):
    assert faults(Limits(**limits), before, before) == ()


def test_governor_that_was_another_at_the_end_makes_a_run_invalid():
    limits, held = Limits(governor="performance"), {"governor": Reading(value="performance")}
    assert faults(limits, held, {"governor": Reading(value="ondemand")}) == (
        "the governor at the end was ondemand, not performance",
    )
    assert faults(limits, held) == ("the governor at the end is not known: not read",)


def test_throttled_device_makes_a_run_invalid_unless_that_is_allowed():
    after = {"throttling": Reading(value="0x50005 (undervoltage, throttled)")}
    assert faults(after=after) == ("the device was held back: undervoltage, throttled",)
    assert faults(Limits(throttling_allowed=True), after=after) == ()
    assert faults(after={"throttling": Reading(value="0x50000 (none now)")}) == ()
    assert faults(after={"throttling": Reading(missing="no vcgencmd")}) == ()


def test_run_on_a_phone_that_was_told_its_thermal_status_is_not_valid():
    after = {"throttling": Reading(missing=STATUS_TOLD)}
    (fault,) = faults(after=after)
    assert "is not known" in fault
    assert "cmd thermalservice reset" in fault
    assert faults(Limits(throttling_allowed=True), after=after) == ()


def test_clock_that_counts_instructions_has_no_such_limits():
    board = msgspec.structs.replace(load_profile("virt-pi5"), limits=Limits(load=0.0))
    assert find_faults(board, Conditions(before={"others": Reading(value=9.0, unit="1")})) == ()


def test_invalid_run_is_like_no_other_unless_allowed():
    valid, invalid = make_run(), make_run(invalid=("the device was held back: throttled",))
    for pair in ((valid, invalid), (invalid, valid), (invalid, invalid)):
        assert [difference.name for difference in find_differences(*pair)] == ["valid"]
    assert find_differences(valid, valid) == ()
    check_allowed(["valid"])
    with pytest.raises(InputError, match="clock"):
        check_allowed(["clock"])
