import json
import os
import signal
import subprocess
import time
from pathlib import Path

import executorch
import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from edgeq.runner.job import MethodMeta, Result

pytestmark = pytest.mark.native

PROGRAMS = ("linear", "tokens", "several", "channels_last", "dynamic", "loop")


@pytest.mark.parametrize("name", PROGRAMS)
def test_outputs_equal_those_of_the_python_runtime(runner, programs, name):
    outputs = runner.folder / "outputs.safetensors"
    done, result = runner.run(runner.job(name, **{"pass": "outputs", "outputs": str(outputs)}))
    assert done.returncode == 0, done.stderr
    got, expected = load_file(outputs), load_file(programs / f"{name}.expected.safetensors")
    assert got.keys() == expected.keys()
    for key, array in expected.items():
        assert got[key].dtype == array.dtype
        assert got[key].shape == array.shape
        np.testing.assert_allclose(got[key], array, rtol=1e-5, atol=1e-6, err_msg=key)
    assert result["samples"] == 5
    assert not list(runner.folder.glob("*.part"))


def test_latency_result_is_a_result_document_with_every_raw_time(runner):
    job = runner.job("linear", iterations=[7, 7], warmup=3)
    done, _ = runner.run(job)
    assert done.returncode == 0, done.stderr
    result = msgspec.json.decode((runner.folder / "result.json").read_bytes(), type=Result)
    times = result.times
    assert (len(times.warmup), len(times.measured), len(times.starts)) == (3, 7, 7)
    assert min(times.load, times.init, times.first, *times.warmup, *times.measured) > 0
    assert all(a + d <= b for a, d, b in zip(times.starts, times.measured, times.starts[1:], strict=False))
    assert result.stopped_by == "iterations"
    assert result.arenas == (160,)
    assert [stage.stage for stage in result.memory] == ["start", "loaded", "initialized", "first", "done"]
    assert all(0 < stage.rss <= stage.hwm for stage in result.memory)
    assert result.memory[2].heap - result.memory[1].heap >= 160


def test_agreement_stops_after_the_window_and_the_least_iterations(runner):
    agreement = {"window": 4, "spread": 1000.0}
    _, early = runner.run(runner.job("linear", iterations=[1, 100], agreement=agreement))
    assert (early["stopped_by"], len(early["times"]["measured"])) == ("agreement", 4)
    _, later = runner.run(runner.job("linear", iterations=[9, 100], agreement=agreement))
    assert (later["stopped_by"], len(later["times"]["measured"])) == ("agreement", 9)


def test_values_that_do_not_agree_run_to_the_most_iterations(runner):
    job = runner.job("loop", iterations=[1, 20], agreement={"window": 20, "spread": 0.0})
    _, result = runner.run(job)
    assert (result["stopped_by"], len(result["times"]["measured"])) == ("iterations", 20)


def test_seconds_bound_the_measured_phase_on_both_sides(runner):
    _, most = runner.run(runner.job("linear", iterations=[1, 10**9], seconds=[0.0, 0.2]))
    assert most["stopped_by"] == "seconds"
    starts = most["times"]["starts"]
    assert 0.15e9 < starts[-1] - starts[0] < 2e9
    agreement = {"window": 2, "spread": 1e9}
    _, least = runner.run(
        runner.job("linear", iterations=[1, 10**9], seconds=[0.1, 60.0], agreement=agreement)
    )
    starts = least["times"]["starts"]
    assert least["stopped_by"] == "agreement"
    assert starts[-1] - starts[0] > 0.08e9


def test_warm_up_lasts_the_least_seconds_and_the_least_count(runner):
    _, long = runner.run(runner.job("linear", warmup=3, warmup_seconds=[0.1, 60.0]))
    assert long["warmup_stopped_by"] == "count"
    assert len(long["times"]["warmup"]) > 3
    assert sum(long["times"]["warmup"]) < 2e9
    _, short = runner.run(runner.job("linear", warmup=3))
    assert (short["warmup_stopped_by"], len(short["times"]["warmup"])) == ("count", 3)
    _, none = runner.run(runner.job("linear", warmup=0))
    assert (none["warmup_stopped_by"], none["times"]["warmup"]) == ("count", [])


def test_warm_up_ends_when_two_windows_have_the_same_median(runner):
    rule = {"window": 5, "spread": 1e9}
    _, early = runner.run(runner.job("linear", warmup=0, steady=rule))
    assert (early["warmup_stopped_by"], len(early["times"]["warmup"])) == ("steady", 10)
    job = runner.job("loop", warmup=0, steady={"window": 10, "spread": 0.02}, warmup_seconds=[0, 20])
    _, real = runner.run(job)
    warmup = real["times"]["warmup"]
    if real["warmup_stopped_by"] == "steady":
        before, after = np.median(warmup[-20:-10]), np.median(warmup[-10:])
        assert abs(after - before) <= 0.02 * before
        assert len(warmup) >= 20
    else:  # a machine that is too restless for 2 %
        assert real["warmup_stopped_by"] == "seconds"


def test_warm_up_that_never_gets_steady_ends_by_time_and_says_so(runner):
    rule = {"window": 10**8, "spread": 0.0}
    _, result = runner.run(runner.job("linear", warmup=0, steady=rule, warmup_seconds=[0, 0.2]))
    assert result["warmup_stopped_by"] == "seconds"
    assert len(result["times"]["measured"]) == 1


def test_requests_come_at_the_rate_that_the_job_names(runner):
    _, result = runner.run(runner.job("linear", iterations=[20, 20], rate=50))
    starts = np.array(result["times"]["starts"], dtype=np.int64)
    due = starts[0] + np.arange(20) * 20_000_000
    assert (starts >= due - 1_000_000).all()
    assert np.median(starts - due) < 10_000_000


def test_pause_lies_between_two_inferences(runner):
    _, result = runner.run(runner.job("linear", iterations=[10, 10], pause=0.01))
    times = result["times"]
    gaps = np.array(times["starts"][1:]) - np.array(times["starts"][:-1]) - np.array(times["measured"][:-1])
    assert (gaps >= 10_000_000).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_inference_runs_on_the_threads_that_the_job_names(runner, threads):
    """The kernel's own list of threads says so while the runner works."""
    job = runner.job("loop", iterations=[1, 10**9], seconds=[0.0, 30.0], threads=threads)
    (runner.folder / "job.json").write_text(json.dumps(job))
    arguments = [runner.program, runner.folder / "job.json", runner.folder / "result.json"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    try:
        tasks = Path(f"/proc/{process.pid}/task")
        deadline = time.monotonic() + 20

        def busy():
            ticks = {
                task.name: (task / "stat").read_text().rsplit(")")[-1].split()[11] for task in tasks.iterdir()
            }
            return [name for name, used in ticks.items() if int(used) > 5]

        while len(busy()) < threads and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(list(tasks.iterdir())) == threads
        assert len(busy()) == threads
    finally:
        process.kill()
        process.wait()


def test_process_is_pinned_to_the_cores_that_the_job_names(runner):
    cpu = max(os.sched_getaffinity(0))
    job = runner.job("loop", iterations=[1, 10**9], seconds=[0.0, 30.0], cpus=[cpu])
    (runner.folder / "job.json").write_text(json.dumps(job))
    arguments = [runner.program, runner.folder / "job.json", runner.folder / "result.json"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while os.sched_getaffinity(process.pid) != {cpu} and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.sched_getaffinity(process.pid) == {cpu}
    finally:
        process.kill()
        process.wait()


def test_core_that_is_not_there_is_an_error(runner):
    error = runner.failure(runner.job("linear", cpus=[0, 1023]))
    assert (error["stage"], error["name"]) == ("job", "EINVAL")
    assert "1023" in error["message"]


def test_etdump_holds_exactly_the_traced_inferences(runner):
    dump = runner.folder / "run.etdump"
    job = runner.job(
        "several", **{"pass": "operators", "etdump": str(dump), "iterations": [4, 9], "warmup": 3}
    )
    done, result = runner.run(job)
    assert done.returncode == 0, done.stderr
    assert result["arenas"] == [160]
    package = Path(executorch.__path__[0])
    schema = package / "devtools/etdump/etdump_schema_flatcc.fbs"
    command = [package / "data/bin/flatc", "--json", "--strict-json", "--raw-binary", "--size-prefixed"]
    subprocess.run([*command, "-o", runner.folder, schema, "--", dump], check=True, timeout=60)
    blocks = json.loads((runner.folder / "run.json").read_text())["run_data"]
    assert [block["name"] for block in blocks] == ["Execute"] * 4
    for block in blocks:
        events = [event["profile_event"] for event in block["events"]]
        names = {event.get("name") or event.get("delegate_debug_id_str") for event in events}
        assert {"Method::execute", "DELEGATE_CALL", "native_call_argmax.out"} <= names
        assert any(name.startswith("Fully Connected") for name in names)


def test_describe_gives_method_documents(runner, programs):
    done = runner.start("--describe", programs / "several.pte")
    (method,) = msgspec.json.decode(done.stdout, type=tuple[MethodMeta, ...])
    assert method.name == "forward"
    assert [(t.dtype, t.shape, t.nbytes) for t in method.inputs] == [
        ("float32", (2, 4), 32),
        ("float32", (2, 3), 24),
    ]
    assert [(t.dtype, t.shape) for t in method.outputs] == [
        ("float32", (2, 3)),
        ("float32", ()),
        ("int64", (2,)),
        ("bool", (2, 3)),
    ]
    assert (method.arenas, method.unsupported) == ((160,), None)


def test_version_names_the_executorch_release(runner, bundle):
    done = runner.start("--version")
    assert json.loads(done.stdout)["executorch"] == bundle.executorch


def test_deadline_ends_a_runner_that_nobody_waits_for(runner):
    job = runner.job("loop", iterations=[1, 10**9], seconds=[0.0, 60.0], deadline=1)
    began = time.monotonic()
    error = runner.failure(job)
    assert time.monotonic() - began < 10
    assert (error["stage"], error["name"]) == ("measured", "DeadlineExceeded")


def test_lost_client_leaves_nothing_half_written(runner):
    """SIGHUP is what an SSH server sends when its client is gone."""
    outputs = runner.folder / "outputs.safetensors"
    inputs = runner.folder / "many.safetensors"
    row = np.zeros((64, 256), np.float32)
    save_file({f"{sample}.0": row for sample in range(3000)}, inputs)
    job = runner.job("loop", **{"pass": "outputs", "outputs": str(outputs), "inputs": str(inputs)})
    (runner.folder / "job.json").write_text(json.dumps(job))
    arguments = [runner.program, runner.folder / "job.json", runner.folder / "result.json"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    part = Path(f"{outputs}.part")
    deadline = time.monotonic() + 20
    while not part.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=20) == 1
    error = json.loads((runner.folder / "result.json").read_bytes())["error"]
    assert error["name"] == "SIGHUP"
    assert not part.exists()
    assert not outputs.exists()


def test_memory_does_not_grow_with_the_number_of_samples(runner):
    peaks = []
    for samples in (2, 400):
        inputs = runner.folder / f"{samples}.safetensors"
        save_file({f"{s}.0": np.full((64, 256), s, np.float32) for s in range(samples)}, inputs)
        outputs = str(runner.folder / "outputs.safetensors")
        job = runner.job("loop", **{"pass": "outputs", "outputs": outputs, "inputs": str(inputs)})
        done, result = runner.run(job)
        assert done.returncode == 0, done.stderr
        peaks.append(result["memory"][-1]["hwm"])
    # 398 more samples are 26 MB of inputs and as much of outputs; their headers are 0.1 MB.
    assert peaks[1] - peaks[0] < 2_000_000


def test_handler_that_hangs_is_ended_by_the_alarm(runner):
    os.mkfifo(runner.folder / "result.json.part")  # opening it waits for a reader
    job = runner.job("loop", iterations=[1, 10**9], seconds=[0.0, 60.0], deadline=1, threads=1)
    done, _ = runner.run(job)
    assert done.returncode == -signal.SIGALRM
