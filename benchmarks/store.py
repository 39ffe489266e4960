"""What the store of runs costs: filling it, asking it, comparing in it, and two writers and a reader at once.

`.venv/bin/python benchmarks/store.py` fills 100,000 runs (some 700 MB in a temporary folder), each a real
document of the emulated board with another id, time, subject and latency, and works on them for two minutes.
"""

import argparse
import contextlib
import multiprocessing
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

from facts import print_table
from msgspec.structs import replace

from edgeq.results.history import trace_history
from edgeq.results.records import Run, encode_report
from edgeq.results.store import Filter, Store
from edgeq.units import format_quantity

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "tests" / "fixtures" / "store_v2.sql"
ARTIFACTS = tuple(f"network-{n}" for n in range(10))
DEVICES = tuple(f"board-{n}" for n in range(5))
BATCH = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[str, str]


def main() -> None:
    """Fill, ask, compare, contend; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of two writers and a reader")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        rows = fill(path, arguments.runs)
        rows += ask(path)
        rows += contend(path, arguments.seconds)
    print_table("the store of runs", rows)


def recorded_runs(folder: Path) -> list[Run]:
    """The runs of the recorded store: FP32 and INT8 of a small network on the emulated board."""
    path = folder / "recorded.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(RECORDED.read_text())
    with Store(path) as store:
        return list(store.find())


def make_runs(recorded: list[Run], count: int) -> Iterator[Run]:
    """Runs one minute apart, over all artifacts, recipes and devices in turn, with a noisy latency."""
    chance = random.Random(6)
    for number in range(count):
        run = recorded[number % 2]
        assert run.device is not None
        device = DEVICES[number // 20 % len(DEVICES)]
        yield replace(
            run,
            id=uuid.UUID(int=chance.getrandbits(128)).hex,
            created=(START + timedelta(minutes=number)).isoformat(),
            artifact=replace(run.artifact, name=ARTIFACTS[number // 2 % len(ARTIFACTS)]),
            device=replace(run.device, profile=device),
            series=tuple(
                replace(each, values=tuple(value * chance.gauss(1, 0.02) for value in each.values))
                for each in run.series
            ),
        )


def fill(path: Path, count: int) -> list[Row]:
    """Import `count` runs in reports of `BATCH`, half of them labelled as another branch."""
    recorded = recorded_runs(path.parent)
    runs = make_runs(recorded, count)
    taken = 0.0
    with Store(path) as store:
        for start in range(0, count, BATCH):
            report = encode_report(list(islice(runs, BATCH)))
            began = time.perf_counter()
            store.import_report(report, {"branch": "main" if start < count / 2 else "topic"})
            taken += time.perf_counter() - began
        single = median(
            seconds(lambda: store.add(replace(recorded[0], id=uuid.uuid4().hex))) for _ in range(50)
        )
    return [
        (f"import of {count:,} runs, reports of {BATCH:,}", f"{taken:.1f} s"),
        ("the file", format_quantity(path.stat().st_size, "B")),
        ("one more run, on the disk when it returns, median of 50", format_quantity(single, "s")),
    ]


def ask(path: Path) -> list[Row]:
    """Time the questions that commands and pages ask; each in a store that was just opened, best of three."""
    subject: Filter = {"artifact": ARTIFACTS[3], "recipe": "int8", "device": DEVICES[0]}
    with Store(path) as store:
        count, some_id = len(store.entries()), store.entries(limit=1)[0].id
        of_subject = len(store.entries(**subject))
    questions: list[tuple[str, Callable[[Store], object]]] = [
        ("the run with an id", lambda store: store.get(some_id[:12])),
        ("the latest run of a branch", lambda store: store.latest(branch="topic")),
        ("the 20 newest entries", lambda store: store.entries(limit=20)),
        (f"{of_subject:,} entries of a subject", lambda store: store.entries(**subject)),
        (f"{of_subject:,} runs of a subject, whole", lambda store: list(store.find(**subject))),
        (f"all {count:,} entries", lambda store: store.entries()),
        (f"medians of two branches compared, {count:,} runs", compare_branches),
        (
            "history of a subject, 500 runs, traced",
            lambda store: trace_history([*store.find(limit=500, **subject)][::-1], "latency"),
        ),
    ]
    rows = [(what, format_quantity(best(path, question), "s")) for what, question in questions]
    command = [sys.executable, "-m", "edgeq", "runs", "list", "--store", str(path)]
    listing = min(seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(3))
    return [*rows, ("`edgeq runs list`, the whole process", format_quantity(listing, "s"))]


def compare_branches(store: Store) -> float:
    """The ratio of the median latencies of two branches."""
    new, base = (
        median(entry.latency for entry in store.entries(branch=branch) if entry.latency is not None)
        for branch in ("topic", "main")
    )
    return new / base


def best(path: Path, question: Callable[[Store], object]) -> float:
    """The shortest of three times, in seconds, opening included."""

    def once() -> None:
        with Store(path) as store:
            question(store)

    return min(seconds(once) for _ in range(3))


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write_for(path: Path, duration: float, results: "multiprocessing.Queue[tuple[list[str], float]]") -> None:
    """Add runs for `duration` seconds; report the acknowledged ids and the longest wait."""
    with tempfile.TemporaryDirectory() as folder:
        run = recorded_runs(Path(folder))[0]
    ids, longest, end = [], 0.0, time.monotonic() + duration
    with Store(path) as store:
        while time.monotonic() < end:
            fresh = replace(run, id=uuid.uuid4().hex)
            longest = max(longest, seconds(lambda: store.add(fresh)))  # noqa: B023
            ids.append(fresh.id)
    results.put((ids, longest))


def contend(path: Path, duration: float) -> list[Row]:
    """Two writers and a reader; then look for every acknowledged run."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[list[str], float]] = context.Queue()
    writers = [context.Process(target=write_for, args=(path, duration, results)) for _ in range(2)]
    for writer in writers:
        writer.start()
    reads, longest_read = 0, 0.0
    with Store(path) as store:
        while any(writer.is_alive() for writer in writers) and results.qsize() < len(writers):
            longest_read = max(longest_read, seconds(lambda: list(store.find(limit=100))))
            reads += 1
            time.sleep(0.01)
        written = [results.get() for _ in writers]
        for writer in writers:
            writer.join()
        stored = {entry.id for entry in store.entries()}
    acknowledged = [run_id for ids, _ in written for run_id in ids]
    lost = sum(run_id not in stored for run_id in acknowledged)
    return [
        (f"two writers for {duration:.0f} s: runs acknowledged", f"{len(acknowledged):,}"),
        ("of these lost", f"{lost}"),
        ("longest wait of a writer", format_quantity(max(longest for _, longest in written), "s")),
        ("a reader beside them: reads of 100 runs", f"{reads:,}"),
        ("longest read", format_quantity(longest_read, "s")),
    ]


if __name__ == "__main__":
    main()
