"""What a user asks of a measurement becomes the spec of a device, or an error that says why not."""

import msgspec
import pytest

from edgeq.cli.policy import read_cores, read_passes, read_warmup
from edgeq.devices.profile import RunDefaults, load_profile
from edgeq.errors import InputError
from edgeq.measure.choices import Choices, resolve_spec
from edgeq.report.policy import describe_policy

LOCAL, BOARD = load_profile("local"), load_profile("virt-pi5")


def spec(**choices):
    return resolve_spec(LOCAL, Choices(**choices))


def test_default_on_a_wall_clock_warms_up_until_steady():
    default = spec()
    assert default.steady is not None
    assert describe_policy(default) == (
        "1 thread, warm-up of 10 inferences and until two windows of 10 have medians within 2% "
        "(20 s at most), 50 to 1000 measured"
    )


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (None, (None, None, None)),
        ("steady", (0, None, True)),
        ("20", (20, None, False)),
        ("2s", (0, 2.0, False)),
        ("500ms", (0, 0.5, False)),
    ],
)
def test_warm_up_is_a_count_or_a_time_or_until_steady(text, asked):
    assert read_warmup(text) == asked


@pytest.mark.parametrize("text", ["", "-1", "soon", "2 parsecs", "1e3"])
def test_warm_up_that_is_neither_is_refused(text):
    with pytest.raises(InputError, match="--warmup"):
        read_warmup(text)


def test_warm_up_by_time_lasts_no_less_than_asked():
    assert spec(warmup=0, warmup_seconds=60.0, steady=False).warmup_seconds == (60.0, 60.0)


@pytest.mark.parametrize(("text", "cores"), [("0,1", (0, 1)), ("4-7", (4, 5, 6, 7)), ("0, 2-3,2", (0, 2, 3))])
def test_cores_are_numbers_and_ranges(text, cores):
    assert read_cores(text) == cores


@pytest.mark.parametrize("text", ["a", "1,", "3-1", "-1", "1-", ""])
def test_list_that_names_no_cores_is_refused(text):
    with pytest.raises(InputError, match="not a list of core numbers"):
        read_cores(text)


def test_unknown_quantity_is_refused_and_the_valid_ones_are_listed():
    with pytest.raises(InputError, match=r"'speed'.*latency, operators, outputs"):
        read_passes("latency,speed")
    assert read_passes("memory, latency,outputs,memory") == ("memory", "latency", "outputs")


def test_run_of_a_given_length_lasts_so_long_and_has_the_time_for_it():
    asked = spec(seconds=900.0)
    assert asked.seconds == (900.0, 900.0)
    assert asked.iterations[1] > 10**6
    assert asked.timeout > 900
    assert "measured for 900 s" in describe_policy(asked)


@pytest.mark.parametrize(
    "choices",
    [{"rate": 10.0}, {"pause": 0.1}, {"seconds": 60.0}, {"steady": True}, {"warmup_seconds": 2.0}],
)
def test_device_that_counts_no_time_refuses_what_needs_it(choices):
    with pytest.raises(InputError, match="no clock that counts time"):
        resolve_spec(BOARD, Choices(**choices))


@pytest.mark.parametrize(
    "choices",
    [{"iterations": 5, "seconds": 1.0}, {"rate": 5, "pause": 1.0}],
)
def test_choices_that_exclude_each_other_are_refused(choices):
    with pytest.raises(InputError, match="exclude each other"):
        spec(**choices)


def test_pace_is_in_the_description():
    assert "10 requests a second" in describe_policy(spec(rate=10.0))
    assert "500 ms of rest between two" in describe_policy(spec(pause=0.5))


def test_profile_says_threads_and_cores_unless_the_user_says_either():
    tuned = msgspec.structs.replace(LOCAL, run=RunDefaults(threads=2, cpus=(0, 1)))
    assert (resolve_spec(tuned, Choices()).threads, resolve_spec(tuned, Choices()).cpus) == (2, (0, 1))
    own = resolve_spec(tuned, Choices(threads=4))
    assert (own.threads, own.cpus) == (4, ())
    pinned = resolve_spec(tuned, Choices(cpus=(1,)))
    assert (pinned.threads, pinned.cpus) == (1, (1,))
