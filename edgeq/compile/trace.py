"""Turns a module into an exported program, and torch's refusal into an error that shows the user's line."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from edgeq.compile.subject import Subject
from edgeq.errors import EdgeqError, ExportError

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)\n\s*(?P<code>[^\n]*)')
_MESSAGE_LINES = 6
_MOST_OF_A_CAUSE = 300

_REWRITE = "rewrite that line with operators that torch.export and ExecuTorch support"
_NO_LINE = (
    "it names no line of the model: leave out parts to find which; fp32 tells whether the recipe matters"
)


def trace_program(module: torch.nn.Module, args: tuple[Any, ...], subject: Subject) -> ExportedProgram:
    """`torch.export.export` of `module`.

    Raises:
        ExportError: torch refused; its own message, shortened, with the user's source line.
    """
    with refusing("torch.export refused", subject), torch.no_grad():
        return torch.export.export(module, args, strict=False)


@contextmanager
def refusing(what: str, subject: Subject) -> Iterator[None]:
    """Turn what a library raises inside into `refusal_of` it; edgeq's own errors pass.

    Raises:
        ExportError: a library refused.
    """
    try:
        yield
    except EdgeqError:
        raise
    except Exception as error:
        raise refusal_of(f"{what} {subject.workload.name}", error, subject) from error


def require_stateless(program: ExportedProgram, subject: Subject) -> None:
    """Refuse a model that changes a buffer of its own or its input: a program of edgeq has no state.

    Raises:
        ExportError: it does; the buffers and inputs are named.
    """
    targets = [node.target for node in program.graph.nodes if node.op == "call_function"]
    # Only with an operator that works in place; most of these work on what the model has just computed.
    if not any(isinstance(each, torch._ops.OpOverload) and each._schema.is_mutable for each in targets):
        return
    try:
        signature = program.run_decompositions({}).graph_signature
    except Exception as error:
        raise refusal_of(f"torch.export refused {subject.workload.name}", error, subject) from error
    names = dict(zip(signature.user_inputs, (spec.name for spec in subject.inputs), strict=False))
    changed = [f"its buffer {name!r}" for name in signature.buffers_to_mutate.values()]
    changed += [f"its input {names.get(name, name)!r}" for name in signature.user_inputs_to_mutate.values()]
    if changed:
        raise ExportError(
            f"{subject.workload.name}: the model changes {', '.join(changed)} in place, "
            "and a program of edgeq keeps nothing from one inference to the next",
            hint="take a state as an input and return the new one; change a copy of an input: x = x + 1",
        )


def refusal_of(what: str, error: BaseException, subject: Subject, trace: str = "") -> ExportError:
    """An ExportError that keeps the library's message and shows the line of the user's that it is about.

    `trace` is a Python stack as text (a graph node's `stack_trace`) to look into first.
    """
    text = str(error).strip()
    # Advice on calling their API differently is not for our users.
    lines = [line for line in text.partition("There are a few things to try")[0].splitlines() if line.strip()]
    shown = "\n".join(lines[:_MESSAGE_LINES]) or type(error).__name__
    root = _root_of(error)
    if root is not error:
        shown += f"\n  because of {type(root).__name__}: {str(root).strip()[:_MOST_OF_A_CAUSE]}"
    frames = [*_FRAME.finditer(trace), *_FRAME.finditer(text)]
    places = [(m["file"], int(m["line"]), m["code"].strip()) for m in frames]
    places += [(f.filename, f.lineno or 0, f.line or "") for f in traceback.extract_tb(error.__traceback__)]
    place = _user_place(places, subject)
    where = f"\n  {place[0]}:{place[1]}: {place[2]}" if place else ""
    return ExportError(
        f"{what}: {type(error).__name__}: {shown}{where}",
        hint=_REWRITE if place else _NO_LINE,
    )


def _root_of(error: BaseException) -> BaseException:
    """What a library was handling when it raised `error`, to the first of them."""
    while error.__cause__ not in (None, error):
        error = error.__cause__
    return error


def _user_place(places: list[tuple[str, int, str]], subject: Subject) -> tuple[str, int, str] | None:
    """The innermost place in the workload's own file, else the innermost outside of any library."""
    own = [p for p in places if p[0] == str(subject.workload.source)]
    home = str(Path(__file__).parents[1])
    other = [
        p
        for p in places
        if "site-packages" not in p[0] and "/lib/python" not in p[0] and not p[0].startswith((home, "<"))
    ]
    found = own or other
    return found[-1] if found else None
