"""A bench meter's recording with a clock of its own, laid over a run."""

import datetime

import numpy as np
import pytest
from msgspec.structs import replace
from runs import make_run

from edgeq.errors import InputError
from edgeq.results.energy import Energy, Phases, Trace, find_energies
from edgeq.results.meter import Columns, Recording, find_offset, lay_over, read_recording
from edgeq.results.origin import EnergyOrigin, read_origin
from edgeq.results.records import Missing, Series

PHASES = Phases(measured=(1006.0, 1016.0), inferences=100, idle=((1000.0, 1005.0), (1016.0, 1021.0)))
BOARD = Columns(time="t", power=("W",))


@pytest.fixture
def run():
    shared = {"phase": "sampled", "source": "CLOCK_MONOTONIC"}
    inferences = tuple(1006 + 0.1 * n for n in range(100))
    return replace(
        make_run(),
        series=(
            Series(name="inference", unit="s", values=(0.1,) * 100, times=inferences, **shared),
            Series(name="idle", unit="s", values=(5.0, 5.0), times=(1000.0, 1016.0), **shared),
        ),
    )


def record(shift, noise=0.05, work=3.0, step=0.01):
    """The meter's trace from 8 s before the run to 9 s after it; `shift`: device time less meter time."""
    times = np.arange(992.0, 1030.0, step)
    level = np.where((times > 1005) & (times < 1016), work, 1.0)  # warm-up works as well
    return Trace(times - shift, level + np.random.default_rng(0).normal(0, noise, times.size))


def write(path, trace, line="{:.4f},{:.6f}", head="t,W"):
    rows = [line.format(t, w) for t, w in zip(trace.times, trace.watts, strict=True)]
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.mark.parametrize("shift", [0.0, -3.25, 987654.0])
def test_offset_is_found_by_the_load(shift):
    found = find_offset(record(shift), PHASES)
    assert found.seconds == pytest.approx(shift, abs=0.05)
    assert "rise and fall" in found.how


def test_offset_is_exact_where_the_load_has_sharp_ends():
    phases = Phases((1005.0, 1016.0), 100, PHASES.idle)
    assert find_offset(record(12.5), phases).seconds == pytest.approx(12.5, abs=0.02)


def energy_of(path, run, offset=None):
    """The energy of the run that a recording makes, and the offset that was used; or why there is none."""
    found = lay_over(Recording(path, BOARD, "meter", "board", offset=offset), run)
    if isinstance(found, Missing):
        return found, None
    (energy,) = find_energies(found).values()
    kind = "gross" if isinstance(energy.net, Missing) else "net"
    assert read_origin(found.find_series("energy").source) == EnergyOrigin("meter (board)", kind)
    (warning,) = [each for each in found.warnings if each.code == "meter"]
    return energy, warning.facts["offset"]


def test_energy_of_a_recording_is_that_of_its_power(tmp_path, run):
    path = write(tmp_path / "meter.csv", record(500.0))
    energy, offset = energy_of(path, run)
    assert isinstance(energy, Energy)
    assert energy.gross.value == pytest.approx(0.3, rel=0.02)
    assert energy.net.value == pytest.approx(0.2, rel=0.02)
    assert offset == pytest.approx(500, abs=0.05)


def test_given_offset_is_used(tmp_path, run):
    path = write(tmp_path / "meter.csv", record(500.0))
    energy, offset = energy_of(path, run, offset=500.0)
    assert offset == 500.0
    assert energy.gross.value == pytest.approx(0.3, rel=0.005)
    wrong, _ = energy_of(path, run, offset=5000.0)
    assert isinstance(wrong, Missing)


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        (record(0, work=1.0), "give the offset"),
        (record(0, noise=2.0), "give the offset"),
        (Trace(np.arange(10.0), np.ones(10)), "shorter than the run"),
    ],
    ids=["no load", "noise", "short"],
)
def test_recording_without_the_run_in_it_is_no_claim(trace, said):
    found = find_offset(trace, PHASES)
    assert isinstance(found, Missing)
    assert said in found.missing


def test_run_without_rest_needs_the_offset():
    assert isinstance(find_offset(record(0), Phases((1006, 1016), 100)), Missing)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("t,W\n0,1\n1,2\n", BOARD),
        ("\ufeffx;t;W\n7;0,0;1,0\n7;1,0;2,0\n", BOARD),
        ("t\tV\tA\n0\t5\t0.2\n1\t5\t0.4\n", Columns(time="t", power=("V", "A"))),
        ("0,9,1000\n1000,9,2000\n", Columns(time="0", power=("2",), seconds=1e-3, watts=1e-3)),
    ],
)
def test_forms_of_recordings(tmp_path, text, columns):
    (tmp_path / "m.csv").write_text(text)
    trace = read_recording(tmp_path / "m.csv", columns)
    np.testing.assert_allclose(trace.times, [0, 1])
    np.testing.assert_allclose(trace.watts, [1, 2])


def test_times_of_day_are_times(tmp_path):
    text = "t,W\n2026-11-23T19:00:00+00:00,1\n2026-11-23T19:00:00.500+00:00,2\n"
    (tmp_path / "m.csv").write_text(text)
    trace = read_recording(tmp_path / "m.csv", BOARD)
    expected = datetime.datetime(2026, 11, 23, 19, tzinfo=datetime.UTC).timestamp()
    np.testing.assert_allclose(trace.times - expected, [0, 0.5])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no columns t, W"),
        ("time,W\n0,1\n", "there are: time, W"),
        ("t,W\n0,1\n1\n", "line 3 is no sample"),
        ("t,W\n0,1\n1,off\n", "line 3 is no sample: 1, off"),
        ("t,W\n0,1\n1,nan\n", "line 3"),
        ("t,W\n0,1\n0,2\n", "do not ascend"),
        ("t,W\n0,1\n", "do not ascend"),
    ],
)
def test_file_that_is_no_recording_says_where(tmp_path, text, said):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_recording(tmp_path / "m.csv", BOARD)
    with pytest.raises(InputError, match="cannot read"):
        read_recording(tmp_path / "none.csv", BOARD)
