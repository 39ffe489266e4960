"""The proof that PT2E did nothing but insert observers: these are the identity, so the function is the same.

It also folds batch norms into the layers before them and makes tensors of scalars, and asks little before it
does. What it gets wrong there no rounding explains, and no check of the layers sees.
"""

import copy
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from edgeq.compile.rewrites.rewrite import PROOF_SAMPLES, difference
from edgeq.errors import ExportError

# Largest difference of an output, relative to its largest value. A folded batch norm rounds in FP32 at other
# places, and what follows can amplify that; it is 20 dB below what INT8 itself costs.
_TOLERANCE = 1e-3

# Of an output of whole numbers, such as the class of each pixel: the share that such rounding may turn over.
_TURNED = 0.01


class Proof:
    """Compares a prepared module's outputs with its program's, on the first PROOF_SAMPLES samples."""

    def __init__(self, program: ExportedProgram) -> None:
        module = program.module()
        # The prepared module has the same buffers, and may write into them.
        self._original = copy.deepcopy(module) if program.graph_signature.buffers_to_mutate else module
        self._left = PROOF_SAMPLES

    def compare(self, sample: tuple[Any, ...], got: list[torch.Tensor], drawn: torch.Tensor) -> None:
        """Run `sample` and compare; `got` are the module's flat outputs, `drawn` the random state before it.

        Raises:
            ExportError: the outputs are not the same.
        """
        if not self._left:
            return
        self._left -= 1
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(drawn)
            expected = pytree.tree_leaves(self._original(*sample))
        for index, (mine, theirs) in enumerate(zip(expected, got, strict=True)):
            if mine.dtype != theirs.dtype:
                raise _refuse(f"output {index} is {theirs.dtype} instead of {mine.dtype}")
            if not mine.is_floating_point():
                share = float((mine != theirs).double().mean()) if mine.numel() else 0.0
                if share > _TURNED:
                    raise _refuse(f"{share:.0%} of output {index} are other values")
            elif not (error := difference(mine, theirs)) <= _TOLERANCE:
                raise _refuse(
                    f"output {index} differs by {error:.2g} of its largest value; {_TOLERANCE:.0e} is allowed"
                )


def _refuse(what: str) -> ExportError:
    return ExportError(
        f"PT2E changed the function when it prepared it, before anything was rounded: {what}",
        hint="where a layer is used twice, or before a batch norm by others too, give each use a layer of "
        "its own, or fold the norms (torch.nn.utils.fusion); fp32 has no such step. Please report it",
    )
