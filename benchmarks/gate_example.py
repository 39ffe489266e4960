"""The example of `docs/ci.md`: one layer of digits left in FP32, measured on the board, and the verdict.

Writes the comment between the markers of the page, and its picture with Chromium. Takes about two minutes.
"""

import html
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pictures import FOLDER, take_picture

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "ci.md"
BEGIN, END = "<!-- begin: benchmarks/gate_example.py -->\n", "<!-- end -->\n"
LAYER = "blocks.1.3"
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #1d2430; color: #e6e9ef }}
pre {{ margin: 0; padding: 20px; white-space: pre-wrap;
  font: 13px/1.45 "DejaVu Sans Mono", monospace }}
</style>
<pre>$ edgeq compare baseline.json out/digits
{text}</pre>"""


def edgeq(*arguments: str | Path, expected: int = 0) -> str:
    """What a command prints; it must end with `expected`."""
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != expected:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def measure(folder: Path) -> tuple[Path, Path]:
    """Reports of digits.int8 as it is, and with one layer in FP32."""
    edgeq("export", "digits", "--recipe", "int8", "--out", folder / "good")
    script = ROOT / "tests" / "emulated" / "mixed_precision.py"
    environment = os.environ | {"EDGEQ_CACHE": str(folder / "cache")}
    subprocess.run(
        [sys.executable, script, LAYER, folder / "bad"], check=True, capture_output=True, env=environment
    )
    for name in ("good", "bad"):
        store = ("--store", folder / "runs.sqlite")
        edgeq(
            "bench",
            folder / name / "digits.int8",
            "--device",
            "virt-pi5",
            "--out",
            folder / f"{name}-out",
            *store,
        )
    return folder / "good-out", folder / "bad-out"


def main() -> None:
    """Measure, compare, write."""
    with tempfile.TemporaryDirectory(prefix="edgeq-gate-") as temporary:
        folder = Path(temporary)
        good, bad = measure(folder)
        baseline = folder / "baseline.json"
        edgeq("baseline", good, "--out", baseline)
        comment = edgeq("compare", baseline, bad, "--format", "markdown", expected=1)
        text = edgeq("compare", baseline, bad, expected=1)
        shown = folder / "terminal.html"
        shown.write_text(TERMINAL.format(text=html.escape(text)))
        print(take_picture(shown, FOLDER / "gate.png", folder / "browser", width=1000))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{comment.strip()}\n{END}{after}")
    print(comment)


if __name__ == "__main__":
    main()
