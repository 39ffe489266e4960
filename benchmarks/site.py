"""What a site of many runs costs: time to build, size, and time for Chromium to open its pages.

The runs are made of the recorded ones in `tests/fixtures/golden`: ten artifacts on five devices, over time.
Chromium and its driver must be installed; the times to open are of the page's own load event.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from facts import print_table
from msgspec.structs import replace

from edgeq.report.files import read_report
from edgeq.report.html.site import write_site
from edgeq.results.records import DeviceInfo, Run
from edgeq.units import format_quantity

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "tests" / "fixtures" / "golden" / "digits_report_v1.json"
ARTIFACTS, DEVICES, OPENED = 10, 5, 5
LOADED = "const [n] = performance.getEntriesByType('navigation'); return n.loadEventEnd / 1000"


def multiply(runs: Sequence[Run], count: int) -> list[Run]:
    """`count` runs of ten artifacts on five devices, an hour apart, each 0.01 % off the recorded one."""
    rng = random.Random(1)
    made = []
    for index in range(count):
        source, turn = runs[index % len(runs)], index // len(runs)
        factor = rng.gauss(1, 1e-4)
        series = tuple(
            replace(each, values=tuple(float(round(value * factor)) for value in each.values))
            for each in source.series
        )
        device: DeviceInfo | None = source.device
        made.append(
            replace(
                source,
                id=f"{rng.getrandbits(128):032x}",
                created=f"2026-{1 + turn // 672:02d}-{1 + turn // 24 % 28:02d}T{turn % 24:02d}:00:00+00:00",
                artifact=replace(source.artifact, name=f"net{turn % ARTIFACTS}"),
                device=device and replace(device, profile=f"board{turn // ARTIFACTS % DEVICES}"),
                series=series,
            )
        )
    return made


def open_pages(folder: Path) -> list[tuple[str, str]]:
    """Median time from navigation to the end of the load event, for one page of each kind."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser.chromium import Chromium

    pages = [folder / "index.html", folder / "runs.html"]
    pages += [
        next((folder / kind).glob("*.html")) for kind in ("comparisons", "devices", "artifacts", "runs")
    ]
    rows = []
    with tempfile.TemporaryDirectory() as profile, Chromium(Path(profile)) as browser:
        for page in pages:
            taken = []
            for _ in range(OPENED):
                browser.open(page)
                taken.append(float(browser.driver.execute_script(LOADED)))
            size = format_quantity(page.stat().st_size, "B", digits=3)
            name = page.relative_to(folder).parts[0]
            rows.append((f"open {name} ({size})", format_quantity(median(taken), "s", digits=3)))
    return rows


def main() -> None:
    """Build, open, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--report", type=Path, default=RECORDED)
    arguments = parser.parse_args()
    runs = multiply(read_report(arguments.report).runs, arguments.runs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "site"
        wall, processor = time.perf_counter(), time.process_time()
        pages = write_site(folder, runs)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        rows = [
            ("build, elapsed", format_quantity(wall, "s", digits=3)),
            ("build, processor", format_quantity(processor, "s", digits=3)),
            ("pages", str(pages)),
            ("folder", format_quantity(size, "B", digits=3)),
            *open_pages(folder),
        ]
    print_table(f"a site of {arguments.runs} runs", rows)


if __name__ == "__main__":
    main()
