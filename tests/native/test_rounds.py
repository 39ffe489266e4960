"""Rounds with the real runner on this host: what a slower program is called, and what comes back."""

import msgspec
import pytest

from edgeq.measure.paired import Contestant, Interleaving, Plan, default_round
from edgeq.results.paired import judge_rounds
from edgeq.runner.job import Job, Result

pytestmark = pytest.mark.native

SPEC = default_round("wall")


class Host:
    """Starts the runner on this host, a process a job."""

    def __init__(self, runner):
        self.runner = runner

    def run(self, job):
        done, _ = self.runner.run(msgspec.to_builtins(job))
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode((self.runner.folder / "result.json").read_bytes(), type=Result)


def contestant_of(runner, name, pause=0.0):
    job = Job(
        kind="latency",
        program=str(runner.programs / f"{name}.pte"),
        inputs=str(runner.programs / f"{name}.inputs.safetensors"),
        warmup=SPEC.warmup,
        warmup_seconds=SPEC.warmup_seconds,
        iterations=SPEC.iterations,
        seconds=SPEC.seconds,
        pause=pause,
        deadline=60,
    )
    return Contestant(Host(runner), job)


def measured_of(rounds, place):
    return [result.times.measured for result in rounds.results(place)]


def test_a_program_that_does_more_is_slower_and_every_round_is_there(runner):
    rounds = Interleaving(Plan(seed=1, rounds=10), "wall", "id")
    rounds.run([contestant_of(runner, "linear"), contestant_of(runner, "loop")])
    verdict = judge_rounds(measured_of(rounds, 0), measured_of(rounds, 1), "s")
    assert verdict.answer == "slower"
    assert verdict.rounds == 10
    for place in (0, 1):
        *_, series = rounds.series(place)
        assert series.unit == "s"
        assert list(series.times) == sorted(series.times)
        assert len(rounds.pairing(place).rounds) == 10


def test_processes_of_a_round_follow_each_other_in_the_order_of_the_seed(runner):
    import numpy as np

    rounds = Interleaving(Plan(seed=5, rounds=10), "wall", "id")
    rounds.run([contestant_of(runner, "linear")] * 2)
    generator = np.random.default_rng(5)
    for number in range(10):
        first, second = generator.permutation(2)
        starts = [rounds.results(int(place))[number].times.starts[0] for place in (first, second)]
        assert starts == sorted(starts)


def test_a_pass_takes_no_longer_than_its_bounds(runner):
    result = Host(runner).run(contestant_of(runner, "linear", pause=0.05).job)
    assert result.stopped_by == "seconds"
    assert 10 < len(result.times.measured) <= 21
    assert result.warmup_stopped_by == "count"
