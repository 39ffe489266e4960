"""An INT8 network on a phone: the real adb and adbd, the runner with its own C library under qemu-user.

The phone is made of this machine, so its wall clock says nothing about any phone; its outputs do.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from phone_peers.phone import run_phone

from edgeq.devices.deploy import deploy_folder
from edgeq.runner import EXECUTORCH
from edgeq.runner.build import build_runner
from edgeq.runner.launch import runner_files
from edgeq.runner.standalone import start_command, system_files

ROOT = "/data/local/tmp/edgeq"


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    with run_phone(tmp_path_factory.mktemp("phone")) as running:
        yield running


def start_bench(phone, artifact, folder, *arguments):
    command = [sys.executable, "-m", "edgeq", "bench", artifact.folder, "--device", "android"]
    command += ["--json", folder / "report.json", "--quiet", *arguments]
    environment = os.environ | {"ADB": str(phone.adb), "EDGEQ_STORE": str(folder / "runs.sqlite")}
    environment.pop("ANDROID_SERIAL", None)
    return subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def await_process(phone, name, seconds=240):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if name in phone.processes().values():
            return
        time.sleep(0.1)
    raise AssertionError(f"no {name} ran on the phone within {seconds} s")


def test_bench_on_a_phone_gives_the_outputs_of_the_reference(phone, digits_int8, tmp_path):
    process = start_bench(phone, digits_int8, tmp_path)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    (run,) = json.loads((tmp_path / "report.json").read_text())["runs"]
    assert run["status"] == "ok"
    assert run["outputs"]["within"] is True
    assert run["device"]["model"] == "Test Peer <b>1</b>"
    assert run["device"]["os"] == "Android 14 (API 34)"
    assert "asimddp" in run["device"]["features"]
    assert phone.serial not in json.dumps(run)
    left = sorted(path.name for path in phone.path(ROOT).iterdir())
    assert [name for name in left if name.startswith("run.")] == []


def test_killed_bench_leaves_no_process_on_the_phone_and_the_next_one_works(phone, digits_int8, tmp_path):
    process = start_bench(phone, digits_int8, tmp_path, "--iterations", 1_000_000, "--measure", "latency")
    await_process(phone, "edgeq-runner")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 15
    while (left := phone.processes()) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == {}
    again = start_bench(phone, digits_int8, tmp_path, "--iterations", 5, "--measure", "latency")
    _, said = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert [path.name for path in phone.path(ROOT).glob("run.*")] == []


def test_runner_on_a_phone_loads_nothing_but_what_it_brought(phone):
    bundle = build_runner(EXECUTORCH, "aarch64")
    with phone.link() as link:
        runner, libraries = (deploy_folder(link, ROOT, files) for files in runner_files(bundle))
        system = deploy_folder(link, ROOT, system_files(bundle))
        *loader, program = start_command("aarch64", system, libraries, f"{runner}/edgeq-runner")
        listed = link.run([*loader, "--list", program], timeout=60).check("listing")
        told = link.run([*loader, program, "--version"], timeout=60).check("running it")
    used = [line.split(" => ")[-1].split()[0] for line in listed.stdout.decode().splitlines()]
    files = [path for path in used if path.startswith("/")]
    assert len(files) > len(bundle.libraries)
    assert [path for path in files if not path.startswith(f"{ROOT}/store/")] == []
    assert json.loads(told.stdout)["executorch"] == EXECUTORCH
