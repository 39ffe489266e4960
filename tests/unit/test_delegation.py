"""Shares of a program in the delegate, and the gate on them."""

import pytest
from msgspec.structs import replace
from runs import CONVOLUTION, make_run

from edgeq.errors import GateFailed, InputError
from edgeq.report.sections import compare_recipes
from edgeq.results.delegation import (
    format_share,
    require_delegation,
    share_of_cost,
    share_of_macs,
    share_of_nodes,
)
from edgeq.results.records import Delegation, LeftOut, Missing

LEFT = LeftOut(op="aten.mean.dim", count=1, reason="no keepdim", remedy="keep them", modules=("head.pool",))
WHOLE = Delegation(delegated=10, total=10, macs=(900, 900))
PART = Delegation(delegated=9, total=10, left_out=(LEFT,), macs=(900, 900))


def test_shares_are_of_nodes_and_of_multiply_accumulates():
    assert (share_of_nodes(PART), share_of_macs(PART)) == (0.9, 1.0)
    assert share_of_macs(replace(PART, macs=(450, 900))) == 0.5


def test_the_gate_names_what_was_left_out_where_and_the_remedy():
    with pytest.raises(GateFailed) as caught:
        require_delegation("net.int8", PART, 1.0)
    assert caught.value.exit_code == 1
    assert caught.value.message == (
        "net.int8: 100% must be delegated; by nodes it is 90.0%, by multiply-accumulates 100%"
    )
    assert caught.value.hint == "left out: 1 x aten.mean.dim in head.pool: no keepdim. Remedy: keep them"


@pytest.mark.parametrize(
    ("delegation", "least"),
    [
        (WHOLE, 1.0),
        (PART, 0.9),
        (replace(WHOLE, macs=(0, 0)), 1.0),
    ],
)
def test_the_gate_lets_through_what_reaches_it(delegation, least):
    require_delegation("net.int8", delegation, least)


def test_the_least_of_both_shares_must_reach_the_gate():
    heavy = Delegation(delegated=99, total=100, left_out=(LEFT,), macs=(450, 900))
    with pytest.raises(GateFailed, match=r"by nodes it is 99\.0%, by multiply-accumulates 50\.0%"):
        require_delegation("net.int8", heavy, 0.9)


@pytest.mark.parametrize("unknown", [None, replace(PART, macs=None)])
def test_the_gate_refuses_to_judge_what_is_not_known(unknown):
    with pytest.raises(InputError):
        require_delegation("net.int8", unknown, 0.5)


def test_what_is_short_of_all_is_never_written_as_all():
    assert format_share(0.99999) == "99.9%"
    assert format_share(1.0) == "100%"


def test_the_share_of_cost_is_that_of_kernels_without_what_is_around_them():
    portable = replace(CONVOLUTION, name="mean.out", delegated=False, precision="unknown", module=None)
    around = replace(CONVOLUTION, name="runtime", delegated=False, precision="none", module=None)
    run = make_run(
        operators=(
            replace(CONVOLUTION, total=30.0),
            replace(portable, total=10.0),
            replace(around, total=60.0),
        )
    )
    assert share_of_cost(run) == 0.75
    rows = {row[0]: row[1] for row in compare_recipes("digits", [run]).rows}
    assert rows["delegated, by instructions of kernels"] == "75.0%"
    assert rows["delegated, by nodes"] == "9 of 10 (90.0%)"
    assert rows["delegated, by multiply-accumulates"].startswith(
        "not known: the artifact was made by an older"
    )


def test_a_share_that_was_not_measured_says_why():
    assert share_of_cost(make_run(operators=Missing(missing="no clock"))) == Missing(missing="no clock")
    assert share_of_cost(make_run(operators=())) == Missing(missing="no kernel was traced")
