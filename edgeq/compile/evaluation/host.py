"""Runs a `.pte` on this machine through ExecuTorch's Python runtime."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from edgeq.artifact import TensorSpec
from edgeq.compile.lowering.memory_format import lay_out
from edgeq.compile.silence import native_log
from edgeq.errors import ExportError


class HostProgram:
    """The `forward` method of a program file, loaded at the first run; `inputs` say how it takes samples."""

    def __init__(self, path: Path, inputs: Sequence[TensorSpec]) -> None:
        self._path = path
        self._inputs = inputs
        self._program: Any = None
        self._method: Any = None

    def run(self, leaves: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Flat outputs for one sample of flat inputs, row-major as everywhere.

        Raises:
            ExportError: the runtime refused the program or failed in it; its own log is in the message.
        """
        with native_log() as log:
            try:
                if self._method is None:
                    self._load()
                return list(self._method.execute(lay_out(leaves, self._inputs)))
            except RuntimeError as error:
                said = "\n  ".join(line for line in log().splitlines() if "cpuinfo" not in line)
                raise ExportError(
                    f"ExecuTorch's runtime on this machine failed: {error}\n  {said}".rstrip(),
                    hint="export it as fp32 to see whether the recipe is the cause",
                ) from error

    def bare(self, leaves: Sequence[torch.Tensor]) -> Callable[[], object]:
        """One inference of this sample, without what `run` has around it, for timing; it has run before."""
        return functools.partial(self._method.execute, lay_out(leaves, self._inputs))

    def _load(self) -> None:
        # Imported here: the native library writes to stderr when it is loaded.
        from executorch.runtime import Runtime

        self._program = Runtime.get().load_program(self._path.read_bytes())
        self._method = self._program.load_method("forward")
