"""The fault table of docs/devices.md: every fault of the catalogue, tried now, as Markdown on stdout.

Run it on an idle machine: `.venv/bin/python benchmarks/fault_table.py [LINK...]`. It takes some minutes and
exits with 1 when something was not as it must be, which it says on stderr.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the faults and the devices to break

from faults import adb_faults, board_faults, ssh_faults
from faults.adb_faults import phone_rig
from faults.board_rig import board_rig
from faults.catalogue import Trial, try_fault
from faults.rig import export_digits, loopback_rig

# Kind of link: what makes a device to break, and what is tried on it.
LINKS = {
    "ssh": (loopback_rig, ssh_faults.FAULTS),
    "adb": (phone_rig, adb_faults.FAULTS),
    "board": (board_rig, board_faults.FAULTS),
}
ENDINGS = {-9: "killed", 0: "0", 130: "130"}


def try_all(links: list[str]) -> Iterator[Trial]:
    """Every fault of each of `links`, one after the other."""
    with tempfile.TemporaryDirectory(prefix="edgeq-faults-") as scratch, ExitStack() as stack:
        artifact = export_digits(Path(scratch))
        for link in links:
            folder = Path(scratch) / link
            folder.mkdir()
            open_rig, faults = LINKS[link]
            rig = stack.enter_context(open_rig(folder, artifact))
            for fault in faults:
                yield try_fault(fault, rig)


def message_of(trial: Trial) -> str:
    """What the user sees, without the paths, ports and fingerprints of this machine."""
    lines = [line for line in trial.answer.stderr.splitlines() if "measuring" not in line]
    # What came before the error, an attempt that broke, says the same once more.
    first = next((at for at, line in enumerate(lines) if line.startswith("error:")), 0)
    text = " ".join(line.strip() for line in lines[first:]) or "(nothing)"
    for pattern, word in (
        (r"\[ *[0-9.]+s\] ", ""),
        (r"/tmp/edgeq-faults-[^/]*/[a-z]+/", "…/"),
        (r"port [0-9]+|(?<=:)[0-9]{5}\b", "port N"),
        (r"[0-9a-f]{32}", "…"),
        (r"SHA256:[A-Za-z0-9+/=]{20,}", "SHA256:…"),
        (r"run\.[A-Za-z0-9]{6,8}\b", "run.…"),
        (r"error: [a-z]+, digits\.int8: ", "error: "),
    ):
        text = re.sub(pattern, word, text)
    return text if len(text) < 300 else f"{text[:300]}…"


def main() -> None:
    """Print the table."""
    print("| link | fault | exit code | what the user sees | state after |")
    print("|---|---|---|---|---|")
    failed = False
    for trial in try_all(sys.argv[1:] or list(LINKS)):
        fault = trial.fault
        code = ENDINGS.get(trial.answer.exit_code, str(trial.answer.exit_code))
        said = message_of(trial).replace("|", "\\|")
        print(f"| {fault.link} | {fault.name} | {code} | {said} | {fault.state} |", flush=True)
        failed = failed or bool(trial.problems)
        for problem in trial.problems:
            print(f"{fault.link}: {fault.name}: {problem}", file=sys.stderr)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
