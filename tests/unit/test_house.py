"""The rules of the house that a machine can check: arrows, sizes, docstrings, what a light import loads."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "edgeq"

GROUND = {"errors", "units", "plain", "cache"}
FORMATS = {"artifact", "flatbuffer", "graph"}
RECORDS = {"results.records", "results.diagnosis"}
# Part of edgeq: the parts that it may import. A part is a module at the top, a folder, or one module of a
# folder. The longest matching name counts.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "units": set(),
    "plain": set(),
    "cache": {"errors"},
    "results.records": {"errors", "units"},
    # What compile/ finds in a model and report/ shows: a document, and rules on it.
    "results.diagnosis": {*GROUND, "results.records", "results.diagnosis"},
    "results": {*GROUND, "results"},
    "flatbuffer": set(),
    "graph": {"results.records"},
    "artifact": {*GROUND, "graph", "results.records"},
    "agreement": {"artifact", "results.records"},
    "devices": {*GROUND, "artifact", "results.records", "devices"},
    "runner": {*GROUND, "artifact", "results.records", "devices", "runner"},
    "measure": {*GROUND, *FORMATS, "agreement", "results", "devices", "runner", "measure"},
    "report": {*GROUND, "graph", "results", "report"},
    "package": {*GROUND, "artifact", "results", "report", "package"},
    "workload": {*GROUND, "artifact", "results.records", "workload"},
    "compile": {
        *GROUND,
        *FORMATS,
        *RECORDS,
        "agreement",
        "results.drop",
        "results.front",
        "workload",
        "compile",
    },
    "__main__": {"cli"},
    "cli": {
        *GROUND,
        "artifact",
        "graph",
        "results",
        "devices",
        "runner",
        "measure",
        "report",
        "package",
        "workload",
        "compile",
        "cli",
    },
}

HEAVY = {"torch", "torchao", "executorch"}
# compile/ makes programs; digits.py is a workload as a user would write one; program.py opens .pt2 files.
MAY_IMPORT_HEAVY = ("compile/", "workload/digits.py", "workload/program.py")

NOT_FOR_HELP = {*HEAVY, "paramiko", "matplotlib", "numpy", "safetensors"}
BANNED_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "base", "common", "misc"}

MOST_LINES = 350
MOST_LINES_IN_A_FUNCTION = 50


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def native_files() -> list[Path]:
    native = PACKAGE / "runner" / "native"
    return sorted(
        path for suffix in ("*.cpp", "*.h", "*.hpp", "CMakeLists.txt") for path in native.rglob(suffix)
    )


def imported_names(tree: ast.AST, package: str = "") -> Iterator[tuple[str, int]]:
    """Every module that the source imports, at the top or later, by statement or by name, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), node.lineno


def is_within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def part_of(name: str) -> str | None:
    """The part that owns module `name` (without `edgeq.`), or None for the bare package."""
    return max((part for part in ARROWS if is_within(name, part)), key=len, default=None)


def wrong_arrows(package: Path) -> list[str]:
    wrong = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("")
        name = ".".join(inside.parts).removesuffix("__init__").rstrip(".")
        if not name:
            continue
        part = part_of(name)
        here = ".".join([package.name, *inside.parts[:-1]])
        for module, line in imported_names(ast.parse(path.read_text()), here):
            if not is_within(module, package.name) or module in (package.name, f"{package.name}.__version__"):
                continue
            target = module.removeprefix(f"{package.name}.")
            if part is None or not any(is_within(target, allowed) for allowed in ARROWS[part]):
                wrong.append(f"{path.relative_to(package)}:{line} imports {module}")
    return wrong


def heavy_imports(package: Path) -> list[str]:
    return [
        f"{inside}:{line} imports {module}"
        for path in sorted(package.rglob("*.py"))
        if not (inside := path.relative_to(package).as_posix()).startswith(MAY_IMPORT_HEAVY)
        for module, line in imported_names(ast.parse(path.read_text()))
        if module.split(".")[0] in HEAVY
    ]


def test_imports_point_one_way() -> None:
    assert wrong_arrows(PACKAGE) == []


def test_only_cli_and_compile_itself_import_compile() -> None:
    assert {part for part, allowed in ARROWS.items() if "compile" in allowed} == {"compile", "cli"}
    assert {part for part, allowed in ARROWS.items() if "workload" in allowed} == {
        "workload",
        "compile",
        "cli",
    }


def test_results_and_report_know_no_device() -> None:
    for part in ("results", "results.records", "report"):
        assert not ARROWS[part] & {"devices", "runner", "measure"}


def test_torch_is_imported_where_programs_are_made_and_nowhere_else() -> None:
    assert heavy_imports(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("results/stats.py", "from edgeq.devices.link import Link", 1),
        ("results/stats.py", "def f():\n    import edgeq.devices.ssh.link", 1),
        ("results/stats.py", "from ..devices import link", 1),
        ("results/stats.py", "from edgeq import devices", 1),
        ("results/stats.py", "from . import records", 0),
        ("results/records.py", "from edgeq.results.stats import summarize", 1),
        ("devices/ssh/link.py", "from edgeq.results.stats import summarize", 1),
        (
            "measure/session.py",
            "import importlib\nimportlib.import_module('edgeq.compile.lowering.lower')",
            1,
        ),
        ("cli/run.py", "from edgeq.compile.lowering import lower\nfrom edgeq import __version__", 0),
        ("newcomer.py", "from edgeq.errors import EdgeqError", 1),
    ],
)
def test_the_walk_finds_a_wrong_arrow(tmp_path: Path, file: str, source: str, found: int) -> None:
    path = tmp_path / "edgeq" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert len(wrong_arrows(tmp_path / "edgeq")) == found


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("measure/memory.py", "def f():\n    from executorch.devtools import Inspector", 1),
        ("measure/memory.py", "__import__('torch')", 1),
        ("workload/loader.py", "import torch.export", 1),
        ("workload/digits.py", "import torch", 0),
        ("compile/lowering/lower.py", "import torch", 0),
        ("measure/memory.py", "import torches", 0),
    ],
)
def test_the_walk_finds_a_heavy_import(tmp_path: Path, file: str, source: str, found: int) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert len(heavy_imports(tmp_path)) == found


ASK_FOR_HELP = """
from edgeq.cli.main import main
sys.argv = ["edgeq", "--help"]
try:
    main()
except SystemExit as end:
    assert end.code == 0, end
"""


@pytest.mark.parametrize("statement", ["import edgeq.cli.main", ASK_FOR_HELP], ids=["import", "help"])
def test_the_command_line_loads_nothing_heavy(statement: str) -> None:
    script = f"import sys\n{statement}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "edgeq" in loaded
    assert not loaded & NOT_FOR_HELP


def test_files_are_short() -> None:
    files = [*python_files("edgeq", "examples", "benchmarks", "tests"), *native_files()]
    files += [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 20
    assert {name: length for name, length in lengths.items() if length >= MOST_LINES} == {}


def test_functions_are_short() -> None:
    long = {}
    for path in python_files("edgeq", "examples", "benchmarks", "tests"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                if length >= MOST_LINES_IN_A_FUNCTION:
                    long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = length
    assert long == {}


def test_public_modules_say_what_they_are_for() -> None:
    public = [
        path
        for path in python_files("edgeq", "examples", "benchmarks")
        if path.name == "__init__.py" or not path.name.startswith("_")
    ]
    silent = [
        str(path.relative_to(ROOT)) for path in public if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_modules_have_names_that_say_something() -> None:
    vague = [path for path in PACKAGE.rglob("*") if path.stem.strip("_") in BANNED_NAMES]
    assert vague == []


def test_the_readme_names_every_command_and_every_recipe() -> None:
    from edgeq.cli.main import LazyGroup
    from edgeq.compile.recipe import RECIPES

    readme = (ROOT / "README.md").read_text()
    assert [name for name in LazyGroup.COMMANDS if f"`edgeq {name}" not in readme] == []
    assert [name for name in RECIPES if f"`{name}`" not in readme] == []


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


def test_test_modules_have_names_of_their_own():
    """pytest imports them by name alone, whatever folder they lie in."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
