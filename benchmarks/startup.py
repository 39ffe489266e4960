"""CPU time of the commands that must answer at once; median of ten processes each."""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from facts import print_table

from edgeq.units import format_quantity

RUNS = 10


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds of one process that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Time `--help` and `report`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        report.write_text('{"schema": 1, "runs": []}')
        rows = []
        for arguments in (["--help"], ["device", "list"], ["report", str(report), "--format", "json"]):
            command = [sys.executable, "-m", "edgeq", *arguments]
            median = statistics.median(cpu_seconds(command) for _ in range(RUNS))
            shown = " ".join(arguments).replace(str(report), "REPORT")
            rows.append((f"edgeq {shown}, CPU time", format_quantity(median, "s")))
        print_table("Start-up", rows)


if __name__ == "__main__":
    main()
