"""Which setting is recommended, and how sure that is."""

import numpy as np
import pytest
from msgspec.structs import replace
from runs import SPEC, make_run

from edgeq.errors import InputError
from edgeq.report.sweep import sweep_section
from edgeq.results.records import Missing, Pairing, Series
from edgeq.results.sweep import Setting, format_cores, recommend


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


def test_few_rounds_prove_nothing_and_the_fewest_threads_win():
    found = recommend([run_of(1, 10.0, rounds=2), run_of(2, 6.0, rounds=2, place=1)])
    assert found.setting == Setting(threads=1)
    assert not found.sure


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
