"""What each recipe makes of a small LSTM and a small transformer, trained here on real digits.

Accuracy on the held-out images on the board itself, size, memory, and instructions of one inference on two
emulated boards; the SQNR is that of the device's outputs against those of the converted model. It takes some
minutes: `.venv/bin/python benchmarks/recipes.py [digits_lstm.py]`. It stores nothing and leaves nothing
behind.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from facts import describe_machine
from tabulate import tabulate

from edgeq.results.documents import read_run, split_report
from edgeq.results.records import Missing, Run
from edgeq.results.stats import summarize
from edgeq.units import format_quantity

EXAMPLES = Path(__file__).parents[1] / "examples"
WORKLOADS = ("digits_lstm.py", "digits_transformer.py")
RECIPES = ("fp32", "int8", "int8-dynamic", str(EXAMPLES / "int4-embed8.toml"), "int8-qat")
DEVICES = ("virt-pi4", "virt-pi5")


def measure(workload: Path, folder: Path) -> list[Run]:
    """The Runs of every recipe of `workload` on both boards, by the command line."""
    command = [sys.executable, "-m", "edgeq", "run", str(workload), "--out", str(folder), "--quiet"]
    command += [part for recipe in RECIPES for part in ("--recipe", recipe)]
    command += [part for device in DEVICES for part in ("--device", device)]
    command += ["--measure", "latency,outputs", "--warmup", "3", "--iterations", "5"]
    report = folder / "all.json"
    command += ["--json", str(report), "--store", str(folder / "store.db")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [read_run(document) for document in split_report(report.read_bytes())]


def row(runs: list[Run]) -> list[str]:
    """One recipe's line: what is the same on both boards is that of the first."""
    first = runs[0]
    counts = [
        value
        for run in runs
        for series in run.series
        if series.name == "latency" and series.phase == "measured"
        for value in [summarize(series.values).median]
    ]
    accuracy = first.artifact.accuracy
    assert accuracy is not None
    assert first.memory is not None
    assert not isinstance(first.memory.heap_loaded, Missing)
    return [
        first.artifact.recipe,
        f"{float(accuracy.eager['top1']):.2%}",
        f"{float(accuracy.device['top1']):.2%}",
        format_quantity(first.artifact.bytes, "B"),
        format_quantity(first.memory.heap_loaded, "B"),
        *(format_quantity(count, "insn") for count in counts),
        *(f"{run.outputs.sqnr_db:.1f} dB" for run in runs if run.outputs and run.outputs.sqnr_db is not None),
    ]


def main() -> None:
    """Measure all and print a table for each workload."""
    headers = ["recipe", "top-1 before", "top-1 on board", "program", "heap, loaded", *DEVICES]
    headers += [f"SQNR, {device}" for device in DEVICES]
    for name in sys.argv[1:] or WORKLOADS:
        with tempfile.TemporaryDirectory() as folder:
            runs = measure(EXAMPLES / name, Path(folder))
        recipes = dict.fromkeys(run.artifact.recipe for run in runs)
        rows = [row([run for run in runs if run.artifact.recipe == recipe]) for recipe in recipes]
        print(f"{name}\n\n{tabulate(rows, headers=headers, disable_numparse=True)}\n")
    print(describe_machine())


if __name__ == "__main__":
    main()
