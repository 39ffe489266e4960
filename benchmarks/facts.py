"""Tables for benchmark scripts: each number with its unit, and the machine it was taken on."""

import importlib.metadata
import os
import platform
import subprocess

from tabulate import tabulate


def print_table(title: str, rows: list[tuple[str, str]]) -> None:
    """Print what was measured as two columns, with the facts of this machine below."""
    print(f"{title}\n")
    print(tabulate(rows, headers=("what", "value"), disable_numparse=True))
    print(f"\n{describe_machine()}")


def describe_machine() -> str:
    """Processor, cores and versions of this machine in one line."""
    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("torch", "executorch"))
    qemu = subprocess.run(
        ["qemu-system-aarch64", "--version"], capture_output=True, text=True, check=False
    ).stdout
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, {', '.join(versions)}, {qemu.partition('(')[0].strip()}"
    )
