"""What a warm-up or a measured phase that ran out of time is worth a warning for, alone and in rounds."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from runs import make_artifact

from edgeq.artifact import Artifact
from edgeq.devices.profile import load_profile
from edgeq.measure.choices import Choices, resolve_spec
from edgeq.measure.paired import Contestant, Interleaving, Plan
from edgeq.measure.passes import Passes, Subject
from edgeq.measure.shortfall import find_shortfalls
from edgeq.results.records import Steadiness
from edgeq.runner.job import Job, Result, Times

SPEC = replace(
    resolve_spec(load_profile("local"), Choices()), steady=None, iterations=(1, 9), seconds=(0.0, 2.0)
)
STEADY = replace(SPEC, steady=Steadiness(window=20, spread=0.01))


def result_of(stopped_by, warmup=4, measured=1):
    times = Times(
        load=1, init=1, first=1, warmup=(5,) * warmup, measured=(5,) * measured, starts=(0,) * measured
    )
    return Result(
        schema=1,
        kind="latency",
        status="ok",
        executorch="1.5.1",
        times=times,
        warmup_stopped_by=stopped_by,
        stopped_by="seconds",
    )


@pytest.mark.parametrize("stopped_by", ["count", "steady", None])
def test_a_warm_up_that_ended_by_its_rule_is_worth_no_warning(stopped_by):
    assert find_shortfalls([result_of(stopped_by)], SPEC) == []
    assert find_shortfalls([result_of(stopped_by)], STEADY) == []


def test_one_that_never_got_steady_says_so_with_its_rule():
    (warning,) = find_shortfalls([result_of("seconds", 400)], STEADY)
    assert warning.code == "never-steady"
    assert "never got steady: after 400 inferences and 20 s" in warning.message
    assert warning.facts == {"n": 400, "seconds": 20.0, "window": 20, "spread": 0.01}


def test_one_whose_inferences_did_not_fit_says_how_many_did():
    (warning,) = find_shortfalls([result_of("seconds")], SPEC)
    assert warning.code == "warmup-cut-short"
    assert "only 4 of at least 10" in warning.message


def test_a_measured_phase_that_was_cut_short_says_how_many_fitted():
    (warning,) = find_shortfalls([result_of("count", measured=7)], replace(SPEC, iterations=(50, 50)))
    assert warning.code == "cut-short"
    assert warning.message == "only 7 of at least 50 inferences fitted into 2 s of the device's clock"
    assert warning.facts == {"n": 7, "wanted": 50}


class Slow:
    """Gives results in their order, whatever it is asked."""

    def __init__(self, *results):
        self.results = list(results)

    def run(self, _job):
        return self.results.pop(0)


def findings_of_rounds(spec, *results):
    rounds = Interleaving(Plan(seed=1, rounds=len(results)), "wall", "id")
    rounds.run([Contestant(Slow(*results), Job(kind="latency", program="p", inputs="i"))])
    artifact = Artifact(
        folder=Path(), program=Path("p.pte"), info=make_artifact("net", "int8"), manifest=None
    )
    passes = Passes(None, Subject(artifact), None, spec, load_profile("local"))
    passes.take_rounds(rounds, 0)
    return passes.findings


def test_rounds_in_which_less_fitted_than_was_asked_for_say_so_once():
    choices = Choices(paired=Plan(seed=1), iterations=200, warmup=20, steady=False)
    spec = resolve_spec(load_profile("local"), choices)
    enough = result_of("count", 20, measured=200)
    found = findings_of_rounds(spec, enough, result_of("seconds", 11, 21), result_of("seconds", 10, 20))
    warmup, cut = found.warnings
    assert warmup.code == "warmup-cut-short"
    assert "only 10 of at least 20 warm-up inferences fitted into 0.5 s" in warmup.message
    assert cut.code == "cut-short"
    assert "only 20 of at least 200 inferences fitted into 1 s" in cut.message
    assert "2 of 3 rounds" in cut.message
    assert cut.facts == {"n": 20, "wanted": 200, "rounds": 2}


def test_rounds_that_got_what_was_asked_for_warn_of_nothing():
    spec = resolve_spec(load_profile("local"), Choices(paired=Plan(seed=1)))
    assert findings_of_rounds(spec, result_of("count", 3, 20), result_of("count", 3, 1)).warnings == []
