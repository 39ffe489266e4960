"""Opens a `.pt2` file: a program that `torch.export.save` wrote. Imports torch, so only on demand."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from edgeq.errors import WorkloadError


@lru_cache(maxsize=1)
def open_program(path: Path) -> Any:  # noqa: ANN401 - an ExportedProgram, which torch does not type
    """The exported program in the file, with its example inputs.

    Raises:
        WorkloadError: not such a file, or one without example inputs, or with keyword inputs.
    """
    try:
        program = torch.export.load(path)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WorkloadError(
            f"{path} is not a program that torch.export.save wrote: {reason}",
            hint=f"write it with torch.export.save, with torch {torch.__version__}",
        ) from error
    if program.example_inputs is None:
        raise WorkloadError(f"{path} holds no example inputs", hint="save it with its example inputs")
    if program.example_inputs[1]:
        names = ", ".join(program.example_inputs[1])
        raise WorkloadError(
            f"{path} takes keyword inputs ({names})", hint="export it with positional inputs only"
        )
    return program
