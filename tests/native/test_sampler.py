"""The runner's sampling thread on files and commands of this machine; a test writes what a sensor shows."""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeq.runner.job import Result

pytestmark = pytest.mark.native

FOREVER = {"iterations": [1, 10**9], "warmup": 0}


def sampling(*sensors, interval=0.01, **more):
    return {"interval": interval, "sensors": list(sensors), **more}


def sample(runner, seconds, *sensors, **more):
    """The result of that many seconds of inferences while the sensors are read."""
    job = runner.job("linear", seconds=[0.0, seconds], **FOREVER, sampling=sampling(*sensors, **more))
    done, _ = runner.run(job)
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode((runner.folder / "result.json").read_bytes(), type=Result)


@contextlib.contextmanager
def changing(change, every=0.002):
    """Calls `change(seconds)` with the monotonic clock again and again in a thread."""
    end = threading.Event()

    def work():
        while not end.wait(every):
            change(time.monotonic())

    thread = threading.Thread(target=work)
    change(time.monotonic())
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_samples_are_the_files_contents_with_their_times(runner, tmp_path):
    (tmp_path / "current").write_text("1500\n")
    (tmp_path / "voltage").write_text("5000\n")
    result = sample(runner, 0.5, {"files": [str(tmp_path / "current"), str(tmp_path / "voltage")]})
    sampled = result.sampled
    assert {each.text for each in sampled.samples} == {"1500\n5000"}
    assert 20 <= len(sampled.samples) <= 70
    starts = [each.start for each in sampled.samples]
    assert starts == sorted(starts)
    assert all(sampled.began <= each.start <= each.end <= sampled.ended for each in sampled.samples)
    first, last = result.times.starts[0], result.times.starts[-1] + result.times.measured[-1]
    assert sampled.began <= first < last <= sampled.ended
    assert 0 < sampled.cpu_time < 0.2 * (sampled.ended - sampled.began)
    assert sampled.unanswered is None


def test_samples_lie_irregularly_one_in_each_interval(runner, tmp_path):
    (tmp_path / "power").write_text("1")
    sampled = sample(runner, 1.0, {"files": [str(tmp_path / "power")]}, interval=0.02).sampled
    places = np.array([(each.start - sampled.began) / 20e6 for each in sampled.samples])
    steps = np.diff(np.floor(places))
    assert steps.min() >= 0
    assert np.mean(steps == 1) > 0.5
    inside = places % 1
    assert inside.min() < 0.2
    assert inside.max() > 0.8
    assert inside.std() > 0.2


def test_idle_phases_surround_the_inferences(runner, tmp_path):
    (tmp_path / "power").write_text("1")
    result = sample(runner, 0.2, {"files": [str(tmp_path / "power")]}, idle=[0.3, 0.2])
    (before, rest), (again, after) = result.sampled.idle
    assert 0.3e9 <= rest - before < 0.5e9
    assert 0.2e9 <= after - again < 0.4e9
    assert rest <= result.times.starts[0]
    assert result.times.starts[-1] + result.times.measured[-1] <= again
    assert sum(before <= each.start < rest for each in result.sampled.samples) >= 10


def test_known_waveform_gives_its_energy_within_two_percent(runner, tmp_path):
    """The trapezoid over the samples against the integral of what the file showed."""
    path = tmp_path / "power1_input"

    def microwatts(at):
        return round(1e6 * (3 + math.sin(2 * math.pi * at / 0.7)))

    def change(at):
        with path.open("r+" if path.exists() else "w") as file:
            file.write(f"{microwatts(at)}\n")

    with changing(change):
        sampled = sample(runner, 2.0, {"files": [str(path)]}).sampled
    times = np.array([(each.start + each.end) / 2e9 for each in sampled.samples])
    watts = np.array([int(each.text) / 1e6 for each in sampled.samples])
    phase = 2 * math.pi / 0.7
    begin, end = times[0], times[-1]
    known = 3 * (end - begin) + (math.cos(phase * begin) - math.cos(phase * end)) / phase
    assert np.trapezoid(watts, times) == pytest.approx(known, rel=0.02)


def test_command_is_asked_and_its_cpu_time_counted(runner, tmp_path):
    script = 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; printf "A=1A\\nB=2V\\n"'
    sampled = sample(runner, 0.6, {"command": ["sh", "-c", script]}, interval=0.05).sampled
    assert {each.text for each in sampled.samples} == {"A=1A\nB=2V"}
    spans = [each.end - each.start for each in sampled.samples]
    assert sampled.cpu_time > 0.1 * sum(spans)


@pytest.mark.parametrize(
    ("sensor", "said"),
    [
        ({"files": ["{folder}/none"]}, "none: No such file"),
        ({"files": ["{folder}"]}, "Is a directory"),
        ({"files": ["{folder}/closed"]}, None),
        ({"command": ["edgeq-no-such-command"]}, "cannot be run"),
        ({"command": ["false"]}, "failed"),
        ({"command": ["sh", "-c", "kill -SEGV $$"]}, "failed"),
    ],
    ids=str,
)
def test_sensor_without_an_answer_costs_nothing_but_itself(runner, tmp_path, sensor, said):
    os.mkfifo(tmp_path / "closed")
    (tmp_path / "power").write_text("7")
    text = json.loads(json.dumps(sensor).replace("{folder}", str(tmp_path)))
    result = sample(runner, 0.5, text, {"files": [str(tmp_path / "power")]})
    bad = [each for each in result.sampled.samples if each.sensor == 0]
    good = [each for each in result.sampled.samples if each.sensor == 1]
    assert {each.text for each in good} == {"7"}
    assert len(good) > 10
    if said is None:  # a pipe without a writer: an empty answer, and no waiting
        assert {each.text for each in bad} == {""}
    else:
        assert len(bad) <= 10, "it is given up"
        assert bad
        assert all(each.text is None and said in each.error for each in bad)
    assert result.times.measured


def test_sensor_that_vanishes_leaves_the_samples_so_far(runner, tmp_path):
    path = tmp_path / "power"
    path.write_text("1000")
    began = time.monotonic()

    def vanish(at):
        if at > began + 1.0:
            path.unlink(missing_ok=True)

    with changing(vanish):
        result = sample(runner, 2.0, {"files": [str(path)]})
    texts = [each.text for each in result.sampled.samples]
    assert 10 < texts.index(None) < len(texts)
    assert set(texts[: texts.index(None)]) == {"1000"}
    assert texts[texts.index(None) :] == [None] * 10
    assert len(result.times.measured) > 100


def test_nonsense_is_kept_as_what_it_is(runner, tmp_path):
    (tmp_path / "power").write_bytes(b'\x00\xff"{\\}\t\n-\n\n')
    sampled = sample(runner, 0.2, {"files": [str(tmp_path / "power")]}).sampled
    assert {each.text for each in sampled.samples} == {'  "{\\} \n-'}
    (tmp_path / "power").write_bytes(bytes(100_000))
    sampled = sample(runner, 0.2, {"files": [str(tmp_path / "power")]}).sampled
    assert {len(each.text) for each in sampled.samples} == {8192}


def test_command_that_never_answers_is_ended(runner, tmp_path):
    mark = f"edgeq-{os.getpid()}-{time.monotonic_ns()}"
    began = time.monotonic()
    result = sample(runner, 0.2, {"command": ["sh", "-c", f"sleep 30; : {mark}"]})
    assert time.monotonic() - began < 10
    assert [each.error for each in result.sampled.samples] == ["sh: no answer within 2 s"]
    assert not any(mark in line for line in command_lines())


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes().decode(errors="replace")


@pytest.mark.parametrize("ending", ["deadline", "SIGHUP", "SIGSEGV"])
def test_run_cut_off_in_the_middle_keeps_its_samples(runner, tmp_path, ending):
    (tmp_path / "power").write_text("1000")
    plan = sampling({"files": [str(tmp_path / "power")]}, {"files": ["/none"]})
    job = runner.job(
        "loop", seconds=[0.0, 60.0], **FOREVER, sampling=plan, deadline=1 if ending == "deadline" else 60
    )
    (runner.folder / "job.json").write_text(json.dumps(job))
    arguments = [runner.program, runner.folder / "job.json", runner.folder / "result.json"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    if ending != "deadline":
        time.sleep(1)
        process.send_signal(getattr(signal, ending))
    assert process.wait(timeout=20) == 1
    result = msgspec.json.decode((runner.folder / "result.json").read_bytes(), type=Result)
    assert result.status == "failed"
    assert result.error.name == ("DeadlineExceeded" if ending == "deadline" else ending)
    good = [each for each in result.sampled.samples if each.sensor == 0]
    assert len(good) > 10
    assert {each.text for each in good} == {"1000"}
    assert len(result.sampled.samples) == len(good) + 10
    times = result.times
    assert len(times.measured) == len(times.starts) > 20
    assert all(before < after for before, after in itertools.pairwise(times.starts))
    assert all(0 < each < 1_000_000_000 for each in times.measured)
    assert min(times.load, times.init, times.first) > 0
    assert result.sampled.samples[0].start < times.starts[-1] < result.sampled.samples[-1].end + 10**9


def test_failed_inference_keeps_its_samples(runner, tmp_path):
    """The rest phase is where it is cut off: the job's deadline comes as an ordinary failure elsewhere."""
    (tmp_path / "power").write_text("1000")
    plan = sampling({"files": [str(tmp_path / "power")]}, idle=[30.0, 0.0])
    job = runner.job("linear", sampling=plan, deadline=1)
    done, result = runner.run(job)
    assert (done.returncode, result["error"]["stage"]) == (1, "idle")
    assert len(result["sampled"]["samples"]) > 10


def affinity(process):
    """Cores of the sampling thread, by name, as soon as it is there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # threads of the pool may come and go meanwhile
                if (task / "comm").read_text().strip() == "edgeq-sampler":
                    time.sleep(0.1)
                    return os.sched_getaffinity(int(task.name))
        time.sleep(0.02)
    raise AssertionError("there is no sampling thread")


@pytest.mark.parametrize("named", [True, False])
def test_thread_keeps_away_from_the_inferences_cores(runner, tmp_path, named):
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core")
    (tmp_path / "power").write_text("1")
    plan = sampling({"files": [str(tmp_path / "power")]}, cpu=cores[0] if named else None)
    inference = cores[:1] if named else cores[1:]
    job = runner.job("linear", seconds=[0.0, 30.0], **FOREVER, sampling=plan, cpus=inference)
    (runner.folder / "job.json").write_text(json.dumps(job))
    arguments = [runner.program, runner.folder / "job.json", runner.folder / "result.json"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    try:
        assert affinity(process) == {cores[0]}
        assert os.sched_getaffinity(process.pid) == set(inference)
    finally:
        process.kill()
        process.wait()


def test_core_for_sampling_that_is_not_there_is_an_error(runner):
    error = runner.failure(runner.job("linear", sampling=sampling({"files": ["/x"]}, cpu=1023)))
    assert error["name"] == "EINVAL"
    assert "sampling thread to core 1023" in error["message"]


def test_job_without_sensors_still_rests(runner):
    result = sample(runner, 0.1, idle=[0.1, 0.1])
    assert result.sampled.samples == ()
    assert len(result.sampled.idle) == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sampling": 3}, "'sampling'"),
        ({"sampling": {"sensors": []}}, "'interval' is missing"),
        ({"sampling": {"interval": 0.1}}, "'sensors' is missing"),
        ({"sampling": {"interval": 0.0001, "sensors": []}}, "'sampling.interval'"),
        ({"sampling": sampling({"files": []})}, "'sampling.sensors'"),
        ({"sampling": sampling({"files": ["/a"], "command": ["b"]})}, "either files or a command"),
        ({"sampling": sampling({"files": [3]})}, "'sampling.sensors.files'"),
        ({"sampling": sampling({"files": "/a"})}, "'sampling.sensors.files'"),
        ({"sampling": sampling({"files": ["/a"], "unit": "W"})}, "unknown job key 'sampling.sensors.unit'"),
        ({"sampling": sampling(cpu=-1)}, "'sampling.cpu'"),
        ({"sampling": sampling(idle=[1])}, "'sampling.idle'"),
        ({"pass": "outputs", "outputs": "/x", "sampling": sampling()}, "only the latency pass"),
    ],
    ids=str,
)
def test_bad_sampling_is_refused_with_its_key(runner, changes, named):
    done, result = runner.run(runner.job("linear", **changes))
    assert (done.returncode, result) == (2, None)
    assert named in done.stderr


def test_sanitizers_find_nothing_in_the_sampling_thread(sanitized, tmp_path):
    (tmp_path / "power").write_text("1")
    sensors = ({"files": [str(tmp_path / "power")]}, {"command": ["echo", "2"]}, {"files": ["/none"]})
    result = sample(sanitized, 0.5, *sensors, interval=0.005, idle=[0.1, 0.1])
    assert {each.text for each in result.sampled.samples} == {"1", "2", None}
