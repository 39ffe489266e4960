"""Everything that may be wrong with what a runner is given ends as a reported error, never by a signal.

The whole table runs on the ordinary build and on one with the address and undefined-behaviour sanitizers.
"""

import json
import random
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from bad_jobs import BAD_JOBS, NO_JOBS
from safetensors.numpy import save_file

pytestmark = pytest.mark.native


@pytest.fixture(params=["plain", "sanitized"])
def any_runner(request):
    return request.getfixturevalue({"plain": "runner", "sanitized": "sanitized"}[request.param])


# Job files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    BAD_JOBS,
    ids=str,
)
def test_bad_job_is_refused_with_its_key(any_runner, changes, named):
    done, result = any_runner.run(any_runner.job("linear", **changes))
    assert (done.returncode, result) == (2, None)
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", NO_JOBS)
def test_job_that_is_no_job_is_refused(any_runner, text):
    job = any_runner.folder / "job.json"
    job.write_bytes(text.encode("latin-1"))
    done = any_runner.start(job, any_runner.folder / "result.json")
    assert done.returncode == 2
    assert "job" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["job.json"], ["--describe"], ["--what", "x"], ["a", "b", "c"]])
def test_bad_usage_prints_the_usage(runner, arguments):
    done = runner.start(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: edgeq-runner")


# Programs -----------------------------------------------------------------------------------------------


def write_program(runner, data):
    path = runner.folder / "damaged.pte"
    path.write_bytes(data)
    return path


def check_survives(runner, data):
    """Describe and run `data`: done, or an error that is reported; returns the error."""
    path = write_program(runner, data)
    assert runner.start("--describe", path).returncode in (0, 1)
    outputs = str(runner.folder / "outputs.safetensors")
    job = runner.job(
        "several", **{"pass": "outputs", "outputs": outputs, "program": str(path), "deadline": 20}
    )
    done, result = runner.run(job)
    assert done.returncode in (0, 1), done
    assert not list(runner.folder.glob("*.part"))
    assert (result["status"] == "ok") == (done.returncode == 0)
    return result["error"]


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 31, 32, 63, 64, 100, 500, 1000, 2000, 3000, -16, -1])
def test_truncated_program_is_an_error_of_load(any_runner, programs, keep):
    whole = (programs / "several.pte").read_bytes()
    error = check_survives(any_runner, whole[:keep])
    # The last bytes of the file pad the delegate's data: without them the program may still be whole.
    if error is None:
        assert keep < 0
        return
    assert error["stage"] in ("load", "init")
    assert error["name"] not in ("SIGSEGV", "SIGBUS"), error


@pytest.mark.parametrize("seed", range(4))
def test_foreign_file_is_an_error_of_load(any_runner, seed):
    data = random.Random(seed).randbytes(5000)
    assert check_survives(any_runner, data)["stage"] == "load"
    # With the right magic number in the right place too.
    assert check_survives(any_runner, data[:4] + b"ET12" + data[8:])["stage"] == "load"


def test_program_with_flipped_bytes_never_ends_by_a_signal(sanitized, programs):
    """Bytes all over the file, flatbuffer and delegate data alike; whatever happens is reported."""
    whole = (programs / "several.pte").read_bytes()
    rng = random.Random(7)
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        check_survives(sanitized, bytes(data))


def test_program_that_is_missing_is_named(any_runner):
    error = any_runner.failure(any_runner.job("linear", program="/nowhere/model.pte"))
    assert (error["stage"], error["name"]) == ("load", "ENOENT")
    assert "/nowhere/model.pte" in error["message"]


def test_program_that_is_a_folder_is_an_error(any_runner):
    error = any_runner.failure(any_runner.job("linear", program=str(any_runner.folder)))
    assert error["stage"] == "load"


def test_unknown_method_lists_those_there_are(any_runner):
    error = any_runner.failure(any_runner.job("linear", method="backward"))
    assert "'backward'" in error["message"]
    assert "forward" in error["message"]


def test_operator_that_the_runner_lacks_is_named(any_runner, programs):
    data = (programs / "several.pte").read_bytes()
    assert data.count(b"aten::argmax") == 1
    error = check_survives(any_runner, data.replace(b"aten::argmax", b"aten::brgmax"))
    assert (error["stage"], error["name"]) == ("init", "OperatorMissing")
    assert "aten::brgmax" in error["message"]


def test_backend_that_the_runner_lacks_is_an_error_of_init(any_runner, programs):
    data = (programs / "several.pte").read_bytes()
    error = check_survives(any_runner, data.replace(b"XnnpackBackend", b"YnnpackBackend"))
    assert (error["stage"], error["name"]) == ("init", "NotFound")
    assert "YnnpackBackend" in error["message"]


# Inputs -------------------------------------------------------------------------------------------------


def refuse_inputs(runner, name, tensors):
    path = runner.folder / "inputs.safetensors"
    save_file(tensors, path)
    error = runner.failure(runner.job(name, inputs=str(path)))
    assert error["stage"] == "input"
    return error["message"]


F32 = np.float32


@pytest.mark.parametrize(
    ("name", "tensors", "message"),
    [
        ("linear", {"0.0": np.zeros((1, 10))}, "takes float32 [1, 10], got float64 [1, 10]"),
        ("linear", {"0.0": np.zeros((1, 11), F32)}, "takes float32 [1, 10], got float32 [1, 11]"),
        ("linear", {"0.0": np.zeros((1, 9), F32)}, "takes float32 [1, 10], got float32 [1, 9]"),
        ("linear", {"0.0": np.zeros((10,), F32)}, "takes float32 [1, 10], got float32 [10]"),
        ("linear", {"0.0": np.zeros((1, 10), F32), "1.0": np.zeros((0, 10), F32)}, "sample 1 input 0"),
        ("tokens", {"0.0": np.zeros((1, 5), np.int32)}, "takes int64 [1, 5], got int32 [1, 5]"),
        ("several", {"0.0": np.zeros((2, 4), F32)}, "sample 0: the method takes 2 inputs, got 1"),
        ("linear", {"0.0": np.zeros((1, 10), F32), "0.1": np.zeros(1, F32)}, "takes 1 inputs, got 2"),
        ("linear", {"1.0": np.zeros((1, 10), F32)}, "gap before sample 1 input 0"),
        ("linear", {"0.1": np.zeros((1, 10), F32)}, "gap before sample 0 input 1"),
        ("linear", {"x": np.zeros((1, 10), F32)}, "'x' is not named"),
        ("linear", {"0.-1": np.zeros((1, 10), F32)}, "'0.-1' is not named"),
        ("linear", {}, "no sample"),
        ("dynamic", {"0.0": np.zeros((9, 10), F32)}, "takes float32 [8, 10], got float32 [9, 10]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_that_do_not_fit_are_refused_with_both_sides(any_runner, name, tensors, message):
    assert message in refuse_inputs(any_runner, name, tensors)


def header(text, length=None, data=b"\0" * 40):
    raw = text.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensor(dtype='"F32"', shape="[1,10]", offsets="[0,40]"):
    return f'{{"0.0":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08",
        b"\0" * 8,
        header("{}", length=2**64 - 1),
        header("{}", length=2**63),
        header("{}", length=43),
        header("[]"),
        header("{"),
        header("[" * 50_000),
        header('{"0.0":3}'),
        header('{"0.0":{}}'),
        header(tensor(dtype='"F31"')),
        header(tensor(dtype="3")),
        header(tensor(shape="[-1,-10]")),
        header(tensor(shape="[1.5,10]")),
        header(tensor(shape='"1"')),
        header(tensor(shape="[4294967296,4294967296,4294967296]")),
        header(tensor(shape="[2147483647,2147483647,2147483647]")),
        header(tensor(offsets="[0,41]")),
        header(tensor(offsets="[40,0]")),
        header(tensor(offsets="[-8,32]")),
        header(tensor(offsets="[0,18446744073709551615]")),
        header(tensor(offsets="[0]")),
        header(tensor(offsets="[0,36]")),
        header(tensor()[:-1] + "\0"),
    ],
    ids=range(25),
)
def test_malformed_safetensors_is_refused(any_runner, data):
    path = any_runner.folder / "inputs.safetensors"
    path.write_bytes(data)
    error = any_runner.failure(any_runner.job("linear", inputs=str(path)))
    assert (error["stage"], error["name"]) == ("input", "MalformedSafetensors")
    assert str(path) in error["message"]


def test_inputs_that_are_missing_are_named(any_runner):
    error = any_runner.failure(any_runner.job("linear", inputs="/nowhere/inputs"))
    assert (error["stage"], error["name"]) == ("input", "ENOENT")


# Disks --------------------------------------------------------------------------------------------------


def limit_files():
    """Files of this process may hold 4 kB: what the kernel says then (EFBIG) takes the way of a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_outputs_that_cannot_be_written_leave_nothing(any_runner):
    outputs = any_runner.folder / "outputs.safetensors"
    job = any_runner.job("loop", **{"pass": "outputs", "outputs": str(outputs)})
    error = any_runner.failure(job, preexec_fn=limit_files)
    assert (error["stage"], error["name"]) == ("outputs", "EFBIG")
    assert not outputs.exists()


def test_result_that_cannot_be_written_is_an_error_on_stderr(any_runner):
    job = any_runner.job("linear", iterations=[3000, 3000])
    done, result = any_runner.run(job, preexec_fn=limit_files)
    assert (done.returncode, result) == (1, None)
    assert "result: EFBIG" in done.stderr
    assert not list(any_runner.folder.glob("*.part"))


def test_full_disk_is_named(any_runner):
    """A part file that leads to /dev/full: a real ENOSPC from the kernel."""
    outputs = any_runner.folder / "outputs.safetensors"
    Path(f"{outputs}.part").symlink_to("/dev/full")
    job = any_runner.job("linear", **{"pass": "outputs", "outputs": str(outputs)})
    error = any_runner.failure(job)
    assert (error["stage"], error["name"]) == ("outputs", "ENOSPC")
    assert "No space left on device" in error["message"]
    assert not outputs.exists()


@pytest.mark.parametrize(("name", "key"), [("outputs", "outputs"), ("operators", "etdump")])
def test_folder_that_is_not_there_is_named(any_runner, name, key):
    error = any_runner.failure(any_runner.job("linear", **{"pass": name, key: "/nowhere/file"}))
    assert error["name"] == "ENOENT"
    assert "/nowhere/file" in error["message"]


def test_result_documents_of_failures_are_json_whatever_the_names_hold(any_runner, programs):
    data = (programs / "several.pte").read_bytes().replace(b"aten::argmax", b'aten::\xff"gmax')
    error = check_survives(any_runner, data)
    assert json.dumps(error)
    assert error["name"] == "OperatorMissing"
