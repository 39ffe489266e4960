"""The Android runner's logic on a desktop Java: its own JUnit tests, and the documents that it shares.

Nothing of Android or ExecuTorch takes part: the program doubles its inputs.
"""

import json
import re
import tomllib

import msgspec
import numpy as np
import pytest
from bad_jobs import BAD_JOBS, NO_JOBS
from desktop_java import MAIN, ROOT, RUNNER, TESTS, run_java

from edgeq.artifact import read_samples, write_samples
from edgeq.runner.job import Job, JobSensor, Result, Sampling

MOST_LINES = 350


@pytest.mark.parametrize("name", sorted(path.stem for path in TESTS.glob("*Test.java")))
def test_junit(classes, name):
    done = run_java(classes, "org.junit.runner.JUnitCore", f"edgeq.runner.{name}")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^OK \([1-9]\d* tests?\)$", done.stdout, re.MULTILINE), done.stdout


def run_jobs(classes, folder, texts):
    """Exit code, what was said and the result's path for each job text."""
    paths = []
    for number, text in enumerate(texts):
        job, result = folder / f"job-{number}.json", folder / f"result-{number}.json"
        job.write_bytes(text)
        paths += [job, result]
    done = run_java(classes, "edgeq.runner.Desk", *paths)
    said = re.findall(r"((?:(?!exit ).*\n)*)exit (\d)\n", done.stdout)
    assert len(said) == len(texts), done.stdout + done.stderr
    return [(int(code), words, path) for (words, code), path in zip(said, paths[1::2], strict=True)]


def test_every_job_that_the_native_runner_refuses_is_refused_in_the_same_words(classes, tmp_path):
    good = {"schema": 1, "pass": "latency", "program": "p", "inputs": "i"}
    jobs = [
        json.dumps({key: value for key, value in {**good, **changes}.items() if value is not ...}).encode()
        for changes, _ in BAD_JOBS
    ]
    texts = [text.encode("latin-1") for text in NO_JOBS]
    answers = run_jobs(classes, tmp_path, [*jobs, *texts])
    for (code, said, result), named in zip(
        answers, [*(name for _, name in BAD_JOBS), *["job"] * len(texts)], strict=True
    ):
        assert (code, result.exists()) == (2, False), said
        assert named in said
        assert len(said.splitlines()) == 1


def test_jobs_and_results_are_those_of_edgeq(classes, tmp_path):
    samples = [(np.arange(6, dtype=np.float32).reshape(1, 2, 3),), (np.full((1, 2, 3), -1.5, np.float32),)]
    write_samples(tmp_path / "inputs", samples)
    outputs = tmp_path / "outputs"
    sampling = Sampling(interval=0.01, sensors=(JobSensor(files=("/proc/loadavg",)),), idle=(0.03, 0.0))
    latency = Job(
        kind="latency", program="p", inputs=str(tmp_path / "inputs"), iterations=(5, 5), sampling=sampling
    )
    kept = Job(kind="outputs", program="p", inputs=str(tmp_path / "inputs"), outputs=str(outputs))
    answers = run_jobs(classes, tmp_path, [msgspec.json.encode(latency), msgspec.json.encode(kept)])
    assert [code for code, _, _ in answers] == [0, 0]
    timed, _ = (msgspec.json.decode(path.read_bytes(), type=Result) for _, _, path in answers)
    assert timed.times is not None
    assert len(timed.times.measured) == len(timed.times.starts) == 5
    assert (timed.arenas, timed.threads) == (None, None)
    assert timed.sampled is not None
    assert [sample.error for sample in timed.sampled.samples] == [None] * len(timed.sampled.samples) != []
    assert np.array_equal(read_samples(outputs), [tuple(2 * array for array in row) for row in samples])


def test_the_runtimes_version_is_the_exporters():
    facts = json.loads((RUNNER / "src/main/assets/edgeq-runner.json").read_text())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert f"executorch=={facts['executorch']}" in extras["export"]


def test_the_logic_knows_neither_android_nor_executorch_and_files_are_small():
    for path in RUNNER.rglob("*.java"):
        source = path.read_text()
        assert len(source.splitlines()) <= MOST_LINES, path
        if path.parent in (MAIN, TESTS):
            assert not re.search(
                r"\b(android|org\.pytorch)\.\w+", re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
            )
