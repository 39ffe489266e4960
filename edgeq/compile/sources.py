"""Which source files a workload is made of: what its training and its evaluation do is known only by them.

Files are followed by their import statements, wherever these stand, and not by what happens to be loaded: the
answer must not depend on what else a command or a test has imported.
"""

import ast
import hashlib
import inspect
import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from edgeq.cache import file_sha256
from edgeq.workload.loader import FILE_MODULE, Workload

_INSTALLED = ("site-packages", "dist-packages")
# What belongs to Python and to edgeq; both have versions in the key.
_NOT_THEIRS = sys.stdlib_module_names | {"edgeq"}


def hash_sources(workload: Workload) -> dict[str, str]:
    """Of each source file that `workload` is made of, its SHA-256 by its path from the workload's folder.

    These are the workload's file, all that it imports outside of installed packages, directly or not, and the
    modules below its folder that are loaded, but for other workloads. Modules whose name is computed are seen
    only there. Of a workload without a file it is the source of its evaluation and its
    training: all else is in the key by its effect.
    """
    if workload.source is None:
        given = {"evaluate": workload.evaluate, "train": workload.train}
        return {
            name: hashlib.sha256(inspect.getsource(function).encode() if function else b"").hexdigest()
            for name, function in given.items()
        }
    home = workload.source.parent
    files = _follow_imports({workload.source, *_list_loaded(home)})
    return {os.path.relpath(file, home): file_sha256(file) for file in sorted(files) if file.is_file()}


def _list_loaded(home: Path) -> set[Path]:
    """The files below `home` of modules that are loaded."""
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.startswith(FILE_MODULE) or not file:
            continue
        if Path(file).is_relative_to(home) and not _is_installed(file):
            found.add(Path(file))
    return found


def _follow_imports(files: set[Path]) -> set[Path]:
    """`files` and all source files that they import, directly or not."""
    packages = {
        file: module.__package__ or ""
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None))
    }
    found, waiting = set(files), list(files)
    while waiting:
        file = waiting.pop()
        for name in _list_imports(file, packages.get(str(file), "")):
            origin = _find_file(name)
            if origin is None or origin in found:
                continue
            found.add(origin)
            waiting.append(origin)
            package = name if origin.name == "__init__.py" else name.rpartition(".")[0]
            packages.setdefault(str(origin), package)
    return found


def _list_imports(file: Path, package: str) -> Iterator[str]:
    """The dotted names that `file`, a module of `package`, may import, and the packages that they are in."""
    try:
        tree = ast.parse(file.read_bytes()) if file.suffix == ".py" else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.strip(".").split(".")
            yield from (".".join(parts[: count + 1]) for count in range(len(parts)))


def _find_file(name: str) -> Path | None:
    """The source file of a module that is neither installed nor of Python; nothing is imported to find it."""
    if name.partition(".")[0] in _NOT_THEIRS:
        return None
    file = getattr(sys.modules.get(name), "__file__", None) or _search_file(name)
    return None if file is None or _is_installed(file) or not file.endswith(".py") else Path(file)


def _search_file(name: str) -> str | None:
    folders, origin = None, None
    for count in range(1, len(name.split(".")) + 1):
        part = ".".join(name.split(".")[:count])
        if count > 1 and folders is None:
            return None
        spec = PathFinder.find_spec(part, folders)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
        origin = spec.origin if spec.has_location else None
    return origin


def _is_installed(file: str) -> bool:
    return any(part in Path(file).parts for part in _INSTALLED)
