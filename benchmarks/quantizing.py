"""ExecuTorch's plain recipe, edgeq's own, and what a search finds: same network, weights and calibration.

Of each program: the workload's metric where it has one, closeness to the eager model on the same inputs (both
by the runtime of this machine), size, instructions of one inference on two emulated boards, and the seconds
of the whole export, in a process of its own with an empty cache. It takes some minutes and stores nothing:
`.venv/bin/python benchmarks/quantizing.py [WORKLOAD...]`; by default those in WORKLOADS. A workload with an
`evaluate` is searched, too: a drop of 1 % at most, at 1.3 times the instructions of `int8` at most.

The plain recipe is that of ExecuTorch's documentation (XNNPACK backend, quantization): XNNPACKQuantizer,
symmetric, per channel, its own observers, then `to_edge_transform_and_lower` with the XnnpackPartitioner.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from facts import describe_machine
from tabulate import tabulate

from edgeq.artifact import load_artifact
from edgeq.compile.calibration.calibrate import read_calibration
from edgeq.compile.evaluation.host import HostProgram
from edgeq.compile.evaluation.ladder import Eager, climb
from edgeq.compile.silence import silence
from edgeq.compile.subject import Subject, open_subject
from edgeq.results.documents import read_run, split_report
from edgeq.results.records import Run
from edgeq.results.stats import summarize
from edgeq.units import format_quantity
from edgeq.workload.loader import load_workload

HERE = Path(__file__).parent
DEVICES = ("virt-pi4", "virt-pi5")
WORKLOADS = (HERE / "mobilenet_v1.py", HERE.parent / "examples" / "mobilenet_v3.py", HERE / "digits_bytes.py")
RECIPES = ("fp32", "int8-per-tensor", "int8")
SEARCH = ("--max-drop", "1%", "--max-slower", "1.3", "--device", "virt-pi5")
PLAIN = "ExecuTorch, plain"
OUTPUTS_OFF = 6  # exit code of `edgeq bench`


def export_plainly(workload: str, path: Path) -> None:
    """What ExecuTorch's documentation says, and nothing else."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with silence():
        subject = open_subject(load_workload(workload))
        quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(torch.export.export(subject.module, subject.args).module(), quantizer)
        with torch.no_grad():
            for leaves in read_calibration(subject):
                prepared(*subject.nest_inputs(leaves))
        program = torch.export.export(convert_pt2e(prepared), subject.args)
        edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        path.write_bytes(edge.to_executorch().buffer)


def find_recipes(workload: str, folder: Path) -> list[str]:
    """RECIPES, and what a search finds where accuracy can be judged; else with the channels last."""
    if load_workload(workload).evaluate is None:
        return [*RECIPES, str(HERE / "int8-channels-last.toml")]
    command = [sys.executable, "-m", "edgeq", "search", workload, *SEARCH, "--quiet", "--out", str(folder)]
    command += ["--store", str(folder / "store.db")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [*RECIPES, str(folder / "best.toml")]


def export_all(workload: str, recipes: Sequence[str], folder: Path) -> dict[str, tuple[Path, float]]:
    """By recipe: the program or artifact, and the seconds that it took."""
    plain, trained = folder / "plain.pte", folder / "trained"
    # A network that is trained when it is first used is trained once, before anything is timed.
    timed([sys.executable, __file__, "--open", workload], trained)
    shutil.copytree(trained, folder / "cache0")
    plainly = [sys.executable, __file__, "--plain", workload, str(plain)]
    made = {PLAIN: (plain, timed(plainly, folder / "cache0"))}
    for recipe in recipes:
        cache = shutil.copytree(trained, folder / f"cache{len(made)}")
        command = [sys.executable, "-m", "edgeq", "export", workload, "--recipe", recipe, "--quiet"]
        before = set((folder / "artifacts").glob("*"))
        seconds = timed([*command, "--out", str(folder / "artifacts")], cache)
        # None is new where the search found nothing better than a recipe of the table.
        new = set((folder / "artifacts").glob("*")) - before
        made |= {artifact.name.partition(".")[2]: (artifact, seconds) for artifact in new}
    return made


def timed(command: list[str], cache: Path) -> float:
    """Seconds of `command` with its own cache."""
    cache.mkdir(exist_ok=True)
    start = time.monotonic()
    environment = {**os.environ, "EDGEQ_CACHE": str(cache)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.monotonic() - start


def count(programs: Sequence[Path], folder: Path) -> list[Run]:
    """The Runs of every program on both boards, by the command line; a failed output check is in them."""
    report = folder / "all.json"
    command = [sys.executable, "-m", "edgeq", "bench", *map(str, programs), "--quiet"]
    command += [part for device in DEVICES for part in ("--device", device)]
    command += ["--measure", "latency,outputs", "--warmup", "3", "--iterations", "5"]
    command += ["--json", str(report), "--store", str(folder / "store.db"), "--out", str(folder / "reports")]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, OUTPUTS_OFF):
        raise subprocess.CalledProcessError(done.returncode, command)
    return [read_run(document) for document in split_report(report.read_bytes())]


def instructions(run: Run) -> str:
    """Median of the measured inferences; marked when the outputs were not the converted model's."""
    (latency,) = (s for s in run.series if s.name == "latency" and s.phase == "measured")
    median = format_quantity(summarize(latency.values).median, latency.unit)
    return median if run.error is None else f"{median} *"


def row(name: str, path: Path, seconds: float, runs: list[Run], subject: Subject, eager: Eager) -> list[str]:
    """One program's line."""
    artifact = load_artifact(path)
    # ExecuTorch's plain recipe leaves a bare program, which takes the workload's inputs as they are.
    host = HostProgram(artifact.program, artifact.inputs or subject.inputs)
    rung = climb(subject, host.run, eager)
    metrics = ", ".join(
        f"{key} {value:.4g}" for key, value in rung.metrics.items() if isinstance(value, float)
    )
    closeness = rung.closeness
    mine = {
        run.device.profile: run for run in runs if run.device and run.artifact.sha256 == artifact.info.sha256
    }
    return [
        name,
        metrics or "none",
        "-" if closeness.sqnr_db is None else f"{closeness.sqnr_db:.2f} dB",
        "-" if closeness.top1_agreement is None else f"{closeness.top1_agreement:.2%}",
        format_quantity(artifact.info.bytes, "B"),
        *(instructions(mine[device]) for device in DEVICES),
        f"{seconds:.0f} s",
    ]


def compare(workload: str) -> str:
    """The table of one workload."""
    with tempfile.TemporaryDirectory() as name, silence():
        folder = Path(name)
        made = export_all(workload, find_recipes(workload, folder / "search"), folder)
        runs = count([path for path, _ in made.values()], folder)
        subject = open_subject(load_workload(workload))
        eager = Eager(subject)
        rows = [row(recipe, *facts, runs, subject, eager) for recipe, facts in made.items()]
    headers = ["recipe", "metrics", "SQNR", "top-1 agreement", "program", *DEVICES, "export"]
    notes = dict.fromkeys(f"* {run.error.message}" for run in runs if run.error is not None)
    return "\n".join([tabulate(rows, headers=headers, disable_numparse=True), *notes])


def main() -> None:
    """Export, count and compare; print a table for each workload."""
    if sys.argv[1:2] == ["--plain"]:
        export_plainly(sys.argv[2], Path(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--open"]:
        open_subject(load_workload(sys.argv[2]))
        return
    for workload in sys.argv[1:] or map(str, WORKLOADS):
        print(f"{Path(workload).name}\n\n{compare(workload)}\n", flush=True)
    print(describe_machine())


if __name__ == "__main__":
    main()
