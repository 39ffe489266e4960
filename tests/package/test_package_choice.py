"""Which recipe a device runs: by stated needs, or by what was measured."""

import pytest
from made import packed, run_of
from msgspec.structs import replace
from runs import DEVICE

from edgeq.errors import InputError
from edgeq.package.card import render_card


def rules(contents):
    return [(rule.needs, rule.recipe) for rule in contents.rules]


def test_one_recipe_runs_everywhere(int8):
    assert rules(packed(int8)) == [((), "int8")]


def test_needs_are_tried_in_the_order_in_which_the_recipes_were_named(int8, fp32):
    contents = packed(int8, fp32, needs=("int8=dotprod,i8mm",))
    assert rules(contents) == [(("asimddp", "i8mm"), "int8"), ((), "fp32")]


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ((), "'fp32' could never be picked"),
        (("fp32=dotprod",), "'fp32' could never be picked"),
        (("int8=dotprod", "fp32=i8mm"), "no recipe is left for a CPU without"),
        (("int8=neon",), "no feature 'neon'"),
        (("int4=dotprod",), "no recipe 'int4'"),
        (("int8",), "no feature"),
        (("int8=",), "no feature"),
    ],
)
def test_needs_that_make_no_sense_are_refused(int8, fp32, needs, words):
    with pytest.raises(InputError, match=words):
        packed(int8, fp32, needs=needs)


def measured(int8, fp32, *devices):
    """Runs of both on devices given as (profile, features, kind, latency of int8, of fp32)."""
    runs = []
    for profile, features, kind, fast, slow in devices:
        for folder, latency in ((int8, fast), (fp32, slow)):
            runs.append(run_of(folder, profile=profile, features=features, kind=kind, latency=latency))
    return packed(int8, fp32, runs=runs, by_measurement=True)


def test_measurements_decide_for_each_kind_of_core(int8, fp32):
    contents = measured(
        int8, fp32, ("pi5", ("asimd", "asimddp"), "hardware", 1, 3), ("pi4", ("asimd",), "hardware", 4, 3)
    )
    assert rules(contents) == [(("asimddp",), "int8"), ((), "fp32")]
    assert "int8, if asimddp: pi5 (hardware, 1 thread): int8 1 s, fp32 3 s." in render_card(contents)


def test_a_core_that_was_not_measured_runs_what_was_named_first(int8, fp32):
    contents = measured(int8, fp32, ("pi5", ("asimddp",), "hardware", 3, 1))
    assert rules(contents) == [(("asimddp",), "fp32"), ((), "int8")]
    assert "no such CPU was measured" in contents.rules[-1].why


def test_hardware_outvotes_emulated_boards(int8, fp32):
    contents = measured(
        int8, fp32, ("virt-pi5", ("asimddp",), "emulated", 1, 3), ("pi5", ("asimddp",), "hardware", 3, 1)
    )
    assert rules(contents)[0] == (("asimddp",), "fp32")


def test_devices_that_disagree_are_refused_with_their_numbers(int8, fp32):
    with pytest.raises(InputError, match=r"int8 by a .*; fp32 by b "):
        measured(int8, fp32, ("a", (), "hardware", 1, 2), ("b", (), "hardware", 2, 1))


def test_recipes_are_not_compared_across_devices(int8, fp32):
    runs = [run_of(int8, profile="a"), run_of(fp32, profile="b")]
    with pytest.raises(InputError, match="no ARM device has valid runs of all"):
        packed(int8, fp32, runs=runs, by_measurement=True)


@pytest.mark.parametrize("way", [{"threads": 4}, {"cpus": (4, 5)}, {"in_app": True}])
def test_recipes_are_not_compared_across_ways_to_run_them(int8, fp32, way):
    run = run_of(fp32)
    runs = [run_of(int8), replace(run, spec=replace(run.spec, **way))]
    with pytest.raises(InputError, match="no ARM device has valid runs of all"):
        packed(int8, fp32, runs=runs, by_measurement=True)


def test_runs_that_are_not_valid_do_not_decide(int8, fp32):
    runs = [run_of(int8, latency=9), run_of(fp32, latency=1, invalid=("the device was held back: hot",))]
    with pytest.raises(InputError, match="valid runs"):
        packed(int8, fp32, runs=runs, by_measurement=True)


def test_the_way_that_decided_is_named(int8, fp32):
    spec = replace(run_of(int8).spec, cpus=(4, 5), in_app=True)
    contents = packed(
        int8,
        fp32,
        runs=[run_of(int8, latency=1, spec=spec), run_of(fp32, latency=2, spec=spec)],
        by_measurement=True,
    )
    assert contents.rules[0].why.startswith("pi5 (hardware, 1 thread, cores 4 5, in an app): int8")


def test_a_desktop_says_nothing_about_arm(int8, fp32):
    desktop = replace(DEVICE, arch="x86_64", kind="hardware")
    with pytest.raises(InputError, match="no ARM device"):
        packed(int8, fp32, runs=[run_of(f, device=desktop) for f in (int8, fp32)], by_measurement=True)


def test_needs_and_measurements_exclude_each_other(int8, fp32):
    with pytest.raises(InputError, match="contradict"):
        packed(int8, fp32, needs=("int8=dotprod",), by_measurement=True)
