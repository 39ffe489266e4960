"""What `edgeq sweep` does with runs that say too little: nothing is recommended or saved, it exits with 6."""

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from test_sweep import run_of

from edgeq.cli.sweep import sweep
from edgeq.errors import MeasurementError
from edgeq.measure.device import Outcome
from edgeq.measure.session import Sessions
from edgeq.results.records import decode_report
from edgeq.results.store import Store


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Asks for a sweep of 1 and 2 threads whose runs are made by hand, and looks at what it left."""
    monkeypatch.setenv("EDGEQ_CONFIG", str(tmp_path / "config"))
    program = tmp_path / "net.pte"
    program.write_bytes(bytes(64))

    def call(*runs):
        def measure(_sessions, _profile, _subjects, _choices, *, keep, **_):
            for number, run in enumerate(runs):
                keep(Outcome(replace(run, id=f"{number:032}"), None))

        monkeypatch.setattr(Sessions, "measure_device", measure)
        words = [program, "--device", "local", "--threads", "1,2", "--save", "swept", "--quiet"]
        words += ["--store", tmp_path / "runs.sqlite", "--json", tmp_path / "runs.json"]
        return CliRunner().invoke(sweep, [*map(str, words)])

    call.folder = tmp_path
    return call


def saved(ask):
    return [path.name for path in (ask.folder / "config").rglob("*.toml")]


def assert_runs_are_kept(ask):
    assert len(decode_report((ask.folder / "runs.json").read_bytes()).runs) == 2
    with Store(ask.folder / "runs.sqlite") as store:
        assert len(store.entries()) == 2


def test_runs_that_say_enough_are_recommended_from_and_saved(ask):
    done = ask(run_of(1, 10.0), run_of(2, 6.0, place=1))
    assert done.exit_code == 0, done.exception
    assert "Use 2 threads" in done.output
    assert saved(ask) == ["swept.toml"]


def test_runs_that_are_not_valid_are_not_recommended_from_and_not_saved(ask):
    hot = ("the device was held back: throttled",)
    done = ask(run_of(1, 10.0), replace(run_of(2, 6.0, place=1), invalid=hot))
    assert isinstance(done.exception, MeasurementError)
    assert done.exception.exit_code == 6
    assert "not valid: the device was held back: throttled" in done.exception.message
    assert "Use " not in done.output
    assert saved(ask) == []
    assert_runs_are_kept(ask)


def test_a_time_that_was_over_too_soon_recommends_and_saves_nothing(ask):
    done = ask(run_of(1, 10.0, rounds=4), run_of(2, 6.0, rounds=4, place=1))
    assert isinstance(done.exception, MeasurementError)
    assert done.exception.exit_code == 6
    assert "cannot tell" in done.exception.message
    assert "Use " not in done.output
    assert saved(ask) == []
    assert_runs_are_kept(ask)
