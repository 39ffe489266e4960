"""`edgeq doctor`: does this machine have what edgeq needs, and if not, what to do."""

import importlib.metadata
import shutil
import sys
from pathlib import Path

import click

from edgeq.errors import GateFailed

_APT = "apt-get install --no-install-recommends"
# (name, what it is for, what to do when it is missing)
_PROGRAMS: tuple[tuple[str, str, str], ...] = (
    ("qemu-system-aarch64", "emulated boards", f"{_APT} qemu-system-arm"),
    ("apt-get", "packages of emulated boards", "use Debian or a relative of it"),
    ("aarch64-linux-gnu-g++", "building the runner for devices", f"{_APT} g++-aarch64-linux-gnu"),
    ("g++", "building the runner for this host", f"{_APT} g++"),
    ("cmake", "building the runner", "pip install 'edgeq[build]'"),
    ("ninja", "building the runner", "pip install 'edgeq[build]'"),
)
_PACKAGES: tuple[tuple[str, str, str], ...] = (
    ("torch", "exporting", "pip install 'edgeq[export]'"),
    ("executorch", "exporting", "pip install 'edgeq[export]'"),
    ("torchao", "exporting", "pip install 'edgeq[export]'"),
)
# The folders in which the runner's CMakeLists.txt looks.
_HEADERS = (Path("/usr/local/include"), Path("/usr/include"))


@click.command()
def doctor() -> None:
    """Check tools and packages of this machine; exit 1 when one is missing."""
    from edgeq.cache import cache_root

    rows = [_row(name, use, _find_program(name), remedy) for name, use, remedy in _PROGRAMS]
    header = _find_header("nlohmann/json.hpp")
    rows.append(_row("nlohmann-json", "building the runner", header, f"{_APT} nlohmann-json3-dev"))
    rows += [_row(name, use, _find_package(name), remedy) for name, use, remedy in _PACKAGES]
    width = max(len(name) for _, name, _ in rows)
    for found, name, text in rows:
        mark = click.style("ok     ", fg="green") if found else click.style("missing", fg="red")
        click.echo(f"{mark} {name:<{width}}  {text}")
    click.echo(f"cache   {cache_root()}")
    lacking = [name for found, name, _ in rows if not found]
    if lacking:
        raise GateFailed(f"missing: {', '.join(lacking)}", hint="scripts/demo installs all of it on Debian")


def _row(name: str, use: str, found: str | None, remedy: str) -> tuple[bool, str, str]:
    return (found is not None, name, f"{found}" if found else f"needed for {use}: {remedy}")


def _find_program(name: str) -> str | None:
    """On the path, or beside the interpreter (where pip puts cmake and ninja)."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _find_header(name: str) -> str | None:
    return next((str(folder / name) for folder in _HEADERS if (folder / name).is_file()), None)


def _find_package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
