"""Long runs whose truth is known: steady, throttled at a time, drifting, too short, with a broken clock."""

import numpy as np
import pytest
from msgspec.structs import replace
from odd_runs import on_hardware
from runs import make_run

from edgeq.report.sustained import sustained_sections, tell_sustained
from edgeq.report.text import render_text
from edgeq.results.records import Missing, Pairing, Series
from edgeq.results.sustained import LEAST_SECONDS, find_sustained, follow_series

GAP = 0.1


def series_of(values, times=None):
    values = np.asarray(values, dtype=float)
    times = 1000 + GAP * np.arange(values.size) if times is None else times
    return Series(
        name="latency",
        unit="s",
        phase="measured",
        values=tuple(values.tolist()),
        times=tuple(np.asarray(times, dtype=float).tolist()),
        source="test",
    )


def noisy(level, seed=1):
    level = np.asarray(level, dtype=float)
    return 0.02 * level * (1 + 0.02 * np.random.default_rng(seed).standard_normal(level.size))


def long_run(values, times=None, **changes):
    return replace(on_hardware(make_run()), series=(series_of(values, times),), **changes)


def test_a_steady_run_keeps_its_speed_and_never_slows_down():
    sustained = follow_series(series_of(noisy(np.ones(3000))))
    assert sustained.retention == pytest.approx(1.0, abs=0.01)
    assert sustained.low < 1 < sustained.high
    assert sustained.onset is None
    assert len(sustained.levels) == 1
    assert sustained.seconds == pytest.approx(299.9)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_throttling_is_found_where_it_began(at):
    level = np.where(np.arange(3000) < at * 3000, 1.0, 1.25)
    sustained = follow_series(series_of(noisy(level)))
    assert sustained.retention == pytest.approx(0.8, abs=0.01)
    # To a window of 5 s.
    assert sustained.onset == pytest.approx(at * 300, abs=6)
    assert sustained.high < 0.85
    assert [round(each.median / 0.02, 2) for each in sustained.levels] == [1.0, 1.25]


def test_a_slow_drift_began_somewhere_before_its_end():
    sustained = follow_series(series_of(noisy(np.linspace(1.0, 1.4, 3000))))
    assert 0 < sustained.onset < 150
    assert sustained.retention == pytest.approx(1.02 / 1.38, abs=0.02)


def test_a_device_that_gets_faster_is_not_slowing_down():
    sustained = follow_series(series_of(noisy(np.where(np.arange(3000) < 600, 1.2, 1.0))))
    assert sustained.onset is None
    assert sustained.retention == pytest.approx(1.2, abs=0.02)


def test_outliers_are_no_throttling():
    values = noisy(np.ones(3000))
    values[::50] *= 30
    sustained = follow_series(series_of(values))
    assert sustained.onset is None
    assert sustained.retention == pytest.approx(1.0, abs=0.01)


def test_steady_runs_are_seldom_said_to_slow_down():
    false = [follow_series(series_of(noisy(np.ones(600), seed))).onset is not None for seed in range(40)]
    assert sum(false) <= 2


def test_a_throttled_device_that_gives_fewer_inferences_a_second_is_cut_by_time():
    level = np.where(np.arange(3000) < 2000, 1.0, 3.0)
    values = noisy(level)
    times = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    sustained = follow_series(series_of(values, times))
    assert sustained.onset == pytest.approx(2000 * 0.02, abs=3)


def test_too_few_inferences_for_an_interval_have_none():
    sustained = follow_series(series_of(noisy(np.ones(100)), np.arange(100) * 2.0))
    assert (sustained.low, sustained.high) == (None, None)
    assert sustained.retention == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("values", "times", "why"),
    [
        (np.ones(20), np.arange(20) * 10.0, "too few"),
        (np.ones(100), np.r_[np.arange(50), np.arange(50)] * 2.0, "backwards"),
        (np.ones(100), np.r_[np.arange(99) * 0.1, 9e6], "jumped"),
        (np.zeros(100), np.arange(100) * 2.0, "above zero"),
    ],
    ids=["few", "backwards", "jump", "zero"],
)
def test_what_cannot_be_followed_says_why(values, times, why):
    with pytest.raises(ValueError, match=why):
        follow_series(series_of(values, times))


def test_only_long_runs_of_one_piece_on_a_wall_clock_are_followed():
    short = int(LEAST_SECONDS / GAP)
    assert find_sustained(long_run(np.ones(short))) is None
    assert find_sustained(long_run(np.ones(short + 2))) is not None
    asked = long_run(np.ones(short))
    asked = replace(asked, spec=replace(asked.spec, seconds=(LEAST_SECONDS, LEAST_SECONDS)))
    assert find_sustained(asked) is not None, "its last inference begins before the minute is over"
    pairing = Pairing(id="p", seed=1, place=0, rounds=(0,))
    assert find_sustained(long_run(np.ones(short + 2), pairing=pairing)) is None
    assert find_sustained(make_run()) is None
    stuck = long_run(np.ones(short + 2), np.r_[np.arange(short + 1) * 1e-3, 9e6])
    assert isinstance(find_sustained(stuck), Missing)


def test_the_report_says_what_was_kept_and_since_when():
    run = long_run(noisy(np.where(np.arange(3000) < 1500, 1.0, 1.25)))
    text = " ".join(render_text(sustained_sections([run])).split())
    assert "79.9% of the speed of the first 30 s" in text
    assert "began to slow down about 1" in text
    steady = follow_series(series_of(noisy(np.ones(3000))))
    assert "no lasting slowdown of 3% or more was seen" in tell_sustained(steady)
    assert sustained_sections([make_run()]) == []


def test_a_long_run_that_cannot_be_followed_is_in_the_report_with_the_reason():
    run = long_run(np.ones(700), np.r_[np.arange(699) * 1e-3, 9e6])
    (section,) = sustained_sections([run])
    assert "clock jumped" in section.sentences[0]
    assert section.rows == ()
