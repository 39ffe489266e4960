"""PT2E quantization: annotate and insert observers, run the calibration set, convert."""

from collections.abc import Iterable

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgeq.compile.quantizer import ClampAwareQuantizer
from edgeq.compile.recipe import Recipe


def quantize_program(
    program: ExportedProgram, recipe: Recipe, samples: Iterable[tuple[object, ...]]
) -> torch.fx.GraphModule:
    """The converted module of `program` under `recipe`; `samples` go through the observers one by one."""
    config = get_symmetric_quantization_config(
        is_per_channel=recipe.per_channel, is_dynamic=recipe.activations == "dynamic"
    )
    prepared = prepare_pt2e(program.module(), ClampAwareQuantizer().set_global(config))
    with torch.no_grad():
        for sample in samples:
            prepared(*sample)
    converted: torch.fx.GraphModule = convert_pt2e(prepared)
    return converted
