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


def test_warmup_steady_is_refused_in_rounds_as_it_is_typed(tmp_path):
    program = tmp_path / "net.pte"
    program.write_bytes(bytes(64))
    words = [program, program, "--device", "local", "--paired", "--warmup", "steady"]
    result = CliRunner().invoke(bench, [*map(str, words), "--store", str(tmp_path / "runs.sqlite")])
    assert result.exit_code == 2
    assert "a round is too short to wait for steady times" in result.stderr
    assert "--warmup 20" in result.stderr


def test_a_round_warms_up_for_three_inferences_unless_asked_otherwise():
    local = load_profile("local")
    assert resolve_spec(local, Choices(paired=PLAN)).warmup == 3
    assert resolve_spec(local, Choices(paired=PLAN, warmup=20, steady=False)).warmup == 20


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
        ("local", Choices(paired=PLAN, warmup=0, steady=True), "--warmup steady exclude each other"),
    ],
)
def test_what_rounds_cannot_do_is_refused(device, choices, why):
    with pytest.raises(InputError, match=why):
        resolve_spec(load_profile(device), choices)
