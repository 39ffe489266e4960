"""What a warm-up that ran out of time is worth a warning for."""

import pytest
from msgspec.structs import replace

from edgeq.measure.warmup import find_warmup_warnings
from edgeq.results.records import Steadiness
from edgeq.runner.job import Job, Result, Times

JOB = Job(kind="latency", program="p", inputs="i", warmup=10, warmup_seconds=(0.0, 30.0))
STEADY = replace(JOB, steady=Steadiness(window=20, spread=0.01))


def result_of(stopped_by, warmup=4):
    times = Times(load=1, init=1, first=1, warmup=(5,) * warmup, measured=(5,), starts=(0,))
    return Result(
        schema=1,
        kind="latency",
        status="ok",
        executorch="1.5.1",
        times=times,
        warmup_stopped_by=stopped_by,
        stopped_by="iterations",
    )


@pytest.mark.parametrize("stopped_by", ["count", "steady", None])
def test_a_warm_up_that_ended_by_its_rule_is_worth_no_warning(stopped_by):
    assert find_warmup_warnings(result_of(stopped_by), JOB) == ()
    assert find_warmup_warnings(result_of(stopped_by), STEADY) == ()


def test_one_that_never_got_steady_says_so_with_its_rule():
    (warning,) = find_warmup_warnings(result_of("seconds", 400), STEADY)
    assert warning.code == "never-steady"
    assert "never got steady: after 400 inferences and 30 s" in warning.message
    assert warning.facts == {"n": 400, "seconds": 30.0, "window": 20, "spread": 0.01}


def test_one_whose_inferences_did_not_fit_says_how_many_did():
    (warning,) = find_warmup_warnings(result_of("seconds"), JOB)
    assert warning.code == "warmup-cut-short"
    assert "only 4 of at least 10" in warning.message
