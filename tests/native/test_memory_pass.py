"""The memory pass and what the runner adds to a time, on this machine."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.native


@pytest.fixture
def own(runner, tmp_path):
    """A job on a copy of the program that nobody else has mapped, on a file system of a disk."""
    copy = tmp_path / "loop.pte"
    copy.write_bytes((runner.programs / "loop.pte").read_bytes())
    return {"program": str(copy), "pass": "memory"}


def test_memory_pass_reads_the_proportional_set_at_every_stage(runner, own):
    done, result = runner.run(runner.job("loop", **own))
    assert done.returncode == 0, done.stderr
    stages = {stage["stage"]: stage for stage in result["memory"]}
    assert list(stages) == ["start", "loaded", "initialized", "first", "done"]
    for stage in stages.values():
        assert 0 < stage["pss"] <= stage["rss"] <= stage["hwm"]
    assert stages["initialized"]["pss"] > stages["start"]["pss"]
    assert stages["initialized"]["heap"] > stages["start"]["heap"] + sum(result["arenas"])
    assert result["sampled"] is None


def test_program_is_out_of_the_page_cache_before_a_cold_load_and_in_it_before_a_warm_one(runner, own):
    done, cold = runner.run(runner.job("loop", **own))
    assert done.returncode == 0, done.stderr
    if cold["cached"] == 1.0:
        pytest.skip("this file system lies in memory: nothing can be dropped")
    assert cold["cached"] == 0.0
    _, warm = runner.run(runner.job("loop", **(own | {"pass": "latency"})))
    assert warm["cached"] == 1.0


def test_file_that_cannot_be_dropped_is_told(runner, own, tmp_path):
    """A file system in memory has no other place for its pages."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        pytest.skip("no file system in memory")
    copy = shared / f"edgeq-{tmp_path.parent.name}-{tmp_path.name}.pte"
    copy.write_bytes((runner.programs / "loop.pte").read_bytes())
    try:
        done, result = runner.run(runner.job("loop", **{**own, "program": str(copy)}))
    finally:
        copy.unlink()
    assert done.returncode == 0, done.stderr
    assert result["cached"] == 1.0


def test_what_the_runner_adds_to_a_time_is_small_and_every_value_kept(runner):
    done, result = runner.run(runner.job("linear", iterations=[20, 20]))
    assert done.returncode == 0, done.stderr
    empty = sorted(result["times"]["empty"])
    assert len(empty) == 101
    assert 0 <= empty[50] < 20_000
    assert empty[50] < sorted(result["times"]["measured"])[10]


def test_sanitizers_find_nothing_in_the_memory_pass(sanitized, own):
    done, result = sanitized.run(sanitized.job("loop", **own))
    assert done.returncode == 0, done.stderr
    assert json.dumps(result["memory"])
