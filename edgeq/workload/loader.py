"""Finds a workload and calls the user's functions so that their mistakes read as their mistakes.

Nothing here imports torch: the user's file does, and a `.pt2` file is opened by `edgeq.workload.program`
when its model is asked for.
"""

import functools
import importlib
import importlib.abc
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgeq.errors import EdgeqError, WorkloadError

PROTOCOL = "a workload defines model() -> nn.Module and example_inputs() -> tuple of tensors"

# A workload file is in sys.modules under this and its stem; nothing imports it by that name.
FILE_MODULE = "edgeq_workload_"

Predict = Callable[..., Any]


@dataclass(frozen=True)
class Workload:
    """A model with all that edgeq needs to export it and to judge the result.

    Attributes:
        name: short name, used for the artifact.
        source: the file that it came from; None for a module without a file.
        model: gives the `nn.Module`, weights loaded; it is put in eval mode afterwards.
        example_inputs: one sample, a tuple of tensors (nested tuples, lists and dicts of tensors are fine).
            The program is made for exactly these shapes and dtypes.
        calibration: gives typical samples, each like `example_inputs()`; needed by static recipes. It may be
            a generator; it is iterated more than once over its life, each time from a new call.
        evaluate: gets `predict(*inputs)`, which takes one sample of the shape of `example_inputs()` and
            returns what the model returns, and gives metrics such as `{"top1": 0.97}`.
        train: gets a module that takes and returns what the model does, but for a batch of any size where the
            model allows it, and trains it in place; needed by recipes that train. The random generators are
            seeded before. The module rounds as the quantized program will, starts from the model's weights,
            and is in training mode; `model.eval()` and `model.train()` work as usual.
    """

    name: str
    source: Path | None
    model: Callable[[], Any]
    example_inputs: Callable[[], tuple[Any, ...]]
    calibration: Callable[[], Iterable[tuple[Any, ...]]] | None = None
    evaluate: Callable[[Predict], dict[str, float]] | None = None
    train: Callable[[Any], None] | None = None


def load_workload(spec: str) -> Workload:
    """Load the workload that `spec` names: `digits`, a `.py` file, a `.pt2` file or a dotted module.

    Raises:
        WorkloadError: missing, raises on import, or lacks `model` or `example_inputs`.
    """
    if spec == "digits":
        return _from_module(importlib.import_module("edgeq.workload.digits"), "digits")
    path = Path(spec)
    if path.suffix == ".pt2":
        return _from_program(_existing(path))
    if path.suffix == ".py":
        return _from_module(_import_file(_existing(path)), path.stem)
    if "/" in spec or not all(part.isidentifier() for part in spec.split(".")):
        raise WorkloadError(
            f"{spec!r} is not a workload",
            hint="name a .py file, a .pt2 file, a dotted module, or `digits`",
        )
    return _from_module(_import_module(spec), spec.rpartition(".")[2])


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise WorkloadError(f"no workload file at {path}", hint="check the path; `digits` is built in")
    return path.absolute()


class _Homes(importlib.abc.MetaPathFinder):
    """The folders that workloads import from. A name that two of them hold is refused when it is imported.

    A process has one module of a name, so one of the workloads would run with the other's.
    """

    def __init__(self) -> None:
        self._folders: list[Path] = []

    def enter(self, folder: Path) -> None:
        """Let modules in `folder` be imported, before those of the folders that were entered earlier."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        folders = list(dict.fromkeys([*self._folders, folder.resolve()]))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and "." not in name and (found := _find(name, folders)) and Path(file).resolve() in found:
                _require_one(name, found)
        self._folders = folders
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))

    def find_spec(self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        """Find nothing; only refuse. Python calls it before each first import of a name."""
        if path is None:
            _require_one(fullname, _find(fullname, self._folders))


_homes = _Homes()


def _find(name: str, folders: Iterable[Path]) -> list[Path]:
    """What `import name` would find in each of `folders`, each file once."""
    files = []
    for folder in folders:
        both = (folder / name / "__init__.py", folder / f"{name}.py")
        files += [file.resolve() for file in both if file.is_file()][:1]
    return list(dict.fromkeys(files))


def _require_one(name: str, files: Sequence[Path]) -> None:
    if len(files) > 1:
        raise WorkloadError(
            f"`import {name}` could mean {' or '.join(map(str, files))}, as each is beside a workload",
            hint="run the workloads one at a time, or rename one of the modules",
        )


def _import_file(path: Path) -> ModuleType:
    name = f"{FILE_MODULE}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise WorkloadError(f"{path} is not a Python file", hint=PROTOCOL)
    module = importlib.util.module_from_spec(spec)
    # As `python file.py` would: modules beside the file can be imported, and classes in it found by name.
    _homes.enter(path.parent)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, EdgeqError):
            raise
        raise fault_of(f"{path.name} could not be imported", error, path) from error
    return module


def _import_module(name: str) -> ModuleType:
    _homes.enter(Path.cwd())
    try:
        return importlib.import_module(name)
    except EdgeqError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise WorkloadError(
                f"no module named {error.name!r}, so no workload {name!r}",
                hint="run from the folder that holds it, or name a .py file; `digits` is built in",
            ) from error
        raise fault_of(f"module {name} could not be imported", error, None) from error


def _from_module(module: ModuleType, name: str) -> Workload:
    source = Path(module.__file__) if module.__file__ else None
    shown = source.name if source else module.__name__
    for needed in ("model", "example_inputs"):
        if not callable(getattr(module, needed, None)):
            raise WorkloadError(f"{shown} has no function {needed}()", hint=PROTOCOL)

    def guarded(attribute: str) -> Callable[..., Any]:
        return _guard(getattr(module, attribute), f"{shown}: {attribute}()", source)

    def optional(attribute: str) -> Callable[..., Any] | None:
        found = getattr(module, attribute, None)
        if found is not None and not callable(found):
            raise WorkloadError(f"{shown}: {attribute} is not a function", hint=PROTOCOL)
        return guarded(attribute) if found is not None else None

    calibrate = optional("calibration")

    def calibration() -> Iterator[tuple[Any, ...]]:
        assert calibrate is not None  # noqa: S101 - only used when it is there
        return _guard_samples(calibrate(), f"{shown}: calibration()", source)

    return Workload(
        name=name,
        source=source,
        model=guarded("model"),
        example_inputs=_checked_examples(guarded("example_inputs"), shown),
        calibration=calibration if calibrate else None,
        evaluate=optional("evaluate"),
        train=optional("train"),
    )


def _from_program(path: Path) -> Workload:
    def opened() -> Any:  # noqa: ANN401 - torch is not imported here
        return importlib.import_module("edgeq.workload.program").open_program(path)

    return Workload(
        name=path.stem,
        source=path,
        model=lambda: opened().module(),
        example_inputs=lambda: opened().example_inputs[0],
    )


def _checked_examples(function: Callable[[], Any], shown: str) -> Callable[[], tuple[Any, ...]]:
    def example_inputs() -> tuple[Any, ...]:
        inputs = function()
        if not isinstance(inputs, tuple):
            raise WorkloadError(
                f"{shown}: example_inputs() returned {type(inputs).__name__}, not a tuple",
                hint="return one sample as a tuple, e.g. `return (torch.zeros(1, 3, 224, 224),)`",
            )
        return inputs

    return example_inputs


def _guard(function: Callable[..., Any], what: str, source: Path | None) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any) -> Any:  # noqa: ANN401 - the user's own types
        try:
            return function(*args)
        except EdgeqError:
            raise
        except (Exception, SystemExit) as error:
            raise fault_of(f"{what} raised", error, source) from error

    return guarded


def _guard_samples(samples: object, what: str, source: Path | None) -> Iterator[tuple[Any, ...]]:
    if not isinstance(samples, Iterable):
        raise WorkloadError(
            f"{what} returned {type(samples).__name__}, which cannot be iterated",
            hint="return or yield samples, each a tuple like example_inputs()",
        )
    try:
        yield from samples
    except EdgeqError:
        raise
    except (Exception, SystemExit) as error:
        raise fault_of(f"{what} raised", error, source) from error


def fault_of(what: str, error: BaseException, source: Path | None) -> WorkloadError:
    """An error of the user's code, with its own message and the line of the user's that it came from."""
    message = f"{what}: {type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError):
        return WorkloadError(message, hint="fix the file")
    frame = _user_frame(error, source)
    where = f"\n  {frame.filename}:{frame.lineno}: {frame.line}" if frame else ""
    return WorkloadError(message + where, hint="fix the workload, or run it alone in Python to see more")


def _user_frame(error: BaseException, source: Path | None) -> traceback.FrameSummary | None:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if source is not None and frame.filename == str(source)]
    other = [
        frame for frame in frames if "site-packages" not in frame.filename and frame.filename != __file__
    ]
    found = own or [frame for frame in other if not frame.filename.startswith("<")]
    return found[-1] if found else None
