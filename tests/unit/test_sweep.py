"""Which setting is recommended, and how sure that is."""

import numpy as np
import pytest
from msgspec.structs import replace
from runs import SPEC, make_run

from edgeq.errors import InputError, MeasurementError
from edgeq.report.sweep import sweep_section
from edgeq.results.records import Missing, Pairing, Series
from edgeq.results.sweep import Setting, format_cores, least_rounds, recommend


def run_of(threads, level, *, cpus=(), spread=0.002, rounds=40, place=0, pairing="p"):
    """A run whose rounds have medians near `level` milliseconds."""
    rng = np.random.default_rng((threads, len(cpus), place))
    values = tuple(float(level * (1 + spread * rng.standard_normal())) * 1e-3 for _ in range(rounds * 5))
    latency = Series(name="latency", unit="s", phase="measured", values=values, source="test")
    return replace(
        make_run("int8"),
        spec=replace(SPEC, threads=threads, cpus=cpus),
        series=(latency,),
        pairing=Pairing(id=pairing, seed=1, place=place, rounds=tuple(range(0, rounds * 5, 5))),
    )


def test_fastest_setting_is_recommended_when_all_others_are_slower():
    found = recommend([run_of(1, 10.0), run_of(2, 6.0, place=1), run_of(4, 4.0, place=2)])
    assert found.setting == Setting(threads=4)
    assert found.sure
    assert [place.setting.threads for place in found.places] == [4, 2, 1]
    assert [place.is_slower for place in found.places] == [False, True, True]


def test_what_grows_with_threads_stands_beside_each_setting():
    sizes = {1: 1_000_000, 2: 2_000_000}
    runs = [run_of(threads, 5.0, place=threads - 1) for threads in sizes]
    runs = [
        replace(run, memory=replace(run.memory, heap_peak=sizes[run.spec.threads], rss_peak=hidden))
        for run, hidden in zip(runs, (5_000_000, Missing(missing="hidden")), strict=True)
    ]
    section = sweep_section(recommend(runs), "a.int8", "pi")
    by_setting = {row[0]: dict(zip(section.header, row, strict=True)) for row in section.rows}
    assert by_setting["1 thread"]["peak heap"] == "1 MB"
    assert by_setting["1 thread"]["peak RSS"] == "5 MB"
    assert by_setting["2 threads"]["peak heap"] == "2 MB"
    assert by_setting["2 threads"]["peak RSS"] == "not measured"


def test_more_threads_that_gain_nothing_are_not_recommended():
    found = recommend([run_of(1, 10.0), run_of(2, 6.0, place=1), run_of(4, 6.0, place=2)])
    assert found.setting == Setting(threads=2)
    assert not found.sure
    assert "no difference was seen to 4 threads" in found.reason


def test_cores_are_part_of_a_setting():
    found = recommend([run_of(2, 9.0, cpus=(0, 1)), run_of(2, 5.0, cpus=(4, 5), place=1)])
    assert found.setting == Setting(threads=2, cpus=(4, 5))
    assert str(found.setting) == "2 threads on cores 4-5"


@pytest.mark.parametrize(("settings", "least"), [(2, 10), (3, 11), (4, 12), (6, 14)])
def test_fewer_rounds_than_an_interval_takes_recommend_nothing(settings, least):
    assert least_rounds(settings) == least

    def runs(rounds):
        return [run_of(n + 1, 40.0 / (n + 1), rounds=rounds, place=n) for n in range(settings)]

    with pytest.raises(MeasurementError, match=f"cannot tell.* {least - 1} rounds.* takes {least}") as caught:
        recommend(runs(least - 1))
    assert caught.value.exit_code == 6
    assert recommend(runs(least)).setting == Setting(threads=settings)


def test_one_round_and_none_are_told_in_words():
    with pytest.raises(MeasurementError, match="1 round was run"):
        recommend([run_of(1, 10.0, rounds=1), run_of(2, 6.0, rounds=1, place=1)])
    nothing = [replace(run_of(n, 6.0, place=n), series=()) for n in (1, 2)]
    with pytest.raises(MeasurementError, match="0 rounds were run"):
        recommend(nothing)


def test_a_round_without_a_latency_recommends_nothing():
    other = run_of(2, 6.0, place=1)
    other = replace(other, pairing=replace(other.pairing, rounds=(0, *other.pairing.rounds[:-1])))
    with pytest.raises(MeasurementError, match="cannot tell"):
        recommend([run_of(1, 10.0), other])


@pytest.mark.parametrize(
    "runs",
    [
        [run_of(1, 10.0)],
        [run_of(1, 10.0), run_of(2, 6.0, place=1, pairing="other")],
        [run_of(1, 10.0), replace(run_of(2, 6.0, place=1), pairing=None)],
    ],
)
def test_runs_that_were_not_made_together_are_refused(runs):
    with pytest.raises(InputError):
        recommend(runs)


def test_settings_of_two_artifacts_are_refused():
    other = run_of(2, 6.0, place=1)
    other = replace(other, artifact=replace(other.artifact, sha256="cd" * 32))
    with pytest.raises(InputError, match="one artifact"):
        recommend([run_of(1, 10.0), other])


@pytest.mark.parametrize(
    ("cpus", "text"), [((2,), "core 2"), ((0, 1, 2, 3), "cores 0-3"), ((6, 0, 1), "cores 0-1, 6")]
)
def test_cores_are_written_as_ranges(cpus, text):
    assert format_cores(cpus) == text
