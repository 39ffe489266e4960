"""What `edgeq bench --paired` refuses before anything is measured, and the spec that rounds are run with."""

import pytest
from click.testing import CliRunner

from edgeq.cli.bench import bench
from edgeq.devices.profile import load_profile
from edgeq.errors import InputError
from edgeq.measure.choices import Choices, resolve_spec
from edgeq.measure.paired import Plan, default_round
from edgeq.results.sweep import Setting

PLAN = Plan(seed=1)
THREE = tuple(Setting(threads=threads) for threads in (1, 2, 4))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["a.pte", "--paired"], "two or more"),
        (["a.pte", "b.pte", "--rounds", "12"], "are for --paired"),
        (["a.pte", "b.pte", "--seed", "0"], "are for --paired"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(words, why):
    result = CliRunner().invoke(bench, [*words, "--device", "local"])
    assert isinstance(result.exception, InputError)
    assert why in result.exception.message


def test_a_round_is_short_whatever_the_clock():
    assert resolve_spec(load_profile("local"), Choices(paired=PLAN)).seconds == default_round("wall").seconds
    spec = resolve_spec(load_profile("virt-pi5"), Choices(paired=PLAN))
    assert spec.agreement == default_round("instructions").agreement
    assert resolve_spec(load_profile("local"), Choices(paired=PLAN, iterations=7)).iterations == (7, 7)


@pytest.mark.parametrize(
    ("device", "choices", "why"),
    [
        ("emulator-a72", Choices(paired=PLAN), "no clock"),
        ("local", Choices(paired=Plan(seed=1, rounds=9)), "it takes 10"),
        ("local", Choices(paired=Plan(seed=1, rounds=10, sweep=True), settings=THREE), "it takes 11"),
        ("local", Choices(paired=PLAN, seconds=90.0), "exclude each other"),
        ("local", Choices(paired=PLAN, passes=("outputs",)), "must name latency"),
    ],
)
def test_what_rounds_cannot_do_is_refused(device, choices, why):
    with pytest.raises(InputError, match=why):
        resolve_spec(load_profile(device), choices)
