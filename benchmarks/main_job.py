"""What the main job costs: export, boot, deploy, the runner, and its memory beside the Python runtime's.

Run it on an idle machine: `.venv/bin/python benchmarks/main_job.py`. It takes some minutes, uses a cache of
its own for the cold numbers, and leaves nothing behind.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from facts import print_table

from edgeq.artifact import Artifact, load_artifact
from edgeq.devices.deploy import deploy_folder
from edgeq.devices.local import LocalLink
from edgeq.devices.opening import open_device
from edgeq.devices.profile import host_arch, load_profile
from edgeq.measure.reference import find_reference
from edgeq.results.stats import summarize
from edgeq.runner import EXECUTORCH
from edgeq.runner.build import build_runner
from edgeq.runner.job import Job
from edgeq.runner.launch import Launcher
from edgeq.units import format_quantity

EXAMPLES = Path(__file__).parents[1] / "examples"
# The smallest program there is to run: one addition on one number.
EMPTY = """
import torch
class Empty(torch.nn.Module):
    def forward(self, x):
        return x + 1
def model(): return Empty()
def example_inputs(): return (torch.zeros(1),)
"""
PYTHON_RUNTIME = """
import resource, sys
from pathlib import Path
import numpy, torch
from executorch.runtime import Runtime
from edgeq.artifact import read_samples
method = Runtime.get().load_program(sys.argv[1]).load_method("forward")
for sample in read_samples(Path(sys.argv[2])):
    method.execute([torch.from_numpy(array) for array in sample])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def seconds_of(action: Callable[[], object]) -> tuple[float, object]:
    """Wall-clock seconds of `action`, and what it returned."""
    started = time.perf_counter()
    value = action()
    return time.perf_counter() - started, value


def export(workload: str, recipe: str, out: Path) -> Artifact:
    """Export by the command line in a process of its own, as a user would."""
    command = [
        sys.executable,
        "-m",
        "edgeq",
        "export",
        workload,
        "--recipe",
        recipe,
        "--out",
        str(out),
        "--quiet",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return load_artifact(Path(done.stdout.strip()))


def time_exports(out: Path) -> tuple[list[tuple[str, str]], Artifact]:
    """Cold and cached exports, whole processes; returns the MobileNetV2 INT8 artifact too."""
    rows = []
    artifact = None
    for name, workload in (("digits", "digits"), ("mobilenet_v2", str(EXAMPLES / "mobilenet_v2.py"))):
        for kind in ("cold", "cached"):
            seconds, artifact = seconds_of(lambda w=workload: export(w, "int8", out))  # type: ignore[misc]
            rows.append((f"edgeq export {name}, int8, {kind}", format_quantity(seconds, "s")))
    assert isinstance(artifact, Artifact)
    return rows, artifact


def measure_board(artifact: Artifact, empty: Artifact) -> list[tuple[str, str]]:
    """Boot, deploy, and the instructions of an empty program, on virt-pi5."""
    profile = load_profile("virt-pi5")
    bundle = build_runner(EXECUTORCH, "aarch64")
    started = time.perf_counter()
    with open_device(profile) as link:
        link.run(("true",), timeout=60)
        boot = time.perf_counter() - started
        libraries, _ = seconds_of(lambda: Launcher(link, bundle, profile.work_folder).__enter__())
        files = {"model.pte": artifact.program}
        cold, _ = seconds_of(lambda: deploy_folder(link, profile.work_folder, files))
        warm, _ = seconds_of(lambda: deploy_folder(link, profile.work_folder, files))
        with Launcher(link, bundle, profile.work_folder) as launcher:
            reference = find_reference(empty, EXECUTORCH)
            folder = launcher.deploy({"model.pte": empty.program, "inputs.safetensors": reference.inputs})
            job = Job(
                kind="latency",
                program=f"{folder}/model.pte",
                inputs=f"{folder}/inputs.safetensors",
                iterations=(30, 30),
            )
            times = launcher.run(job).times
    assert times is not None
    size = format_quantity(artifact.info.bytes, "B")
    return [
        ("board: start to first command", format_quantity(boot, "s")),
        ("deploy runner and libraries, first time, over SFTP", format_quantity(libraries, "s")),
        (f"deploy a program of {size}, first time", format_quantity(cold, "s")),
        (f"deploy a program of {size}, nothing to send", format_quantity(warm, "s")),
        (
            "an inference of an empty program, emulated",
            format_quantity(summarize(times.measured).median, "insn"),
        ),
    ]


def measure_host_memory(artifact: Artifact) -> list[tuple[str, str]]:
    """Peak RSS on this host of the native runner and of the Python runtime, same program and inputs."""
    bundle = build_runner(EXECUTORCH, host_arch())
    inputs = find_reference(artifact, EXECUTORCH).inputs
    with tempfile.TemporaryDirectory() as work, LocalLink() as link, Launcher(link, bundle, work) as launcher:
        outputs = launcher.run_path("outputs")
        job = Job(kind="outputs", program=str(artifact.program), inputs=str(inputs), outputs=outputs)
        native = max(stage.hwm or 0 for stage in launcher.run(job).memory)
    command = [sys.executable, "-c", PYTHON_RUNTIME, str(artifact.program), str(inputs)]
    python = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    return [
        (f"peak RSS on this host, {artifact.label}: native runner", format_quantity(native, "B")),
        (f"peak RSS on this host, {artifact.label}: Python runtime", format_quantity(python, "B")),
    ]


def main() -> None:
    """Measure everything and print one table."""
    with tempfile.TemporaryDirectory(prefix="edgeq-benchmark-") as folder:
        shared = os.environ.get("EDGEQ_CACHE")
        os.environ["EDGEQ_CACHE"] = str(Path(folder) / "cache")
        rows, artifact = time_exports(Path(folder) / "out")
        source = Path(folder) / "empty.py"
        source.write_text(EMPTY)
        empty = export(str(source), "fp32", Path(folder) / "out")
        # The toolchain's products may come from the usual cache: their cost is not the question here.
        os.environ.pop("EDGEQ_CACHE") if shared is None else os.environ.__setitem__("EDGEQ_CACHE", shared)
        rows += measure_board(artifact, empty)
        rows += measure_host_memory(artifact)
    print_table("The main job", rows)


if __name__ == "__main__":
    main()
