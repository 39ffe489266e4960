"""Makes `digits.int8` with one layer left in FP32, which `edgeq export` refuses to make.

Run as `python mixed_precision.py LAYER OUT`, with a cache of its own: the key does not know of the change.
Prints what the export says to it; then the check is switched off, and the artifact is written to OUT.
"""

import dataclasses
import sys
from functools import partial
from pathlib import Path

from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

import edgeq.compile.build as build
import edgeq.compile.quantization.quantize as quantize
from edgeq.compile.export import export_artifact, publish
from edgeq.compile.quantization.quantizer import ClampAwareQuantizer
from edgeq.compile.quantization.verify import list_unquantized, verify_converted
from edgeq.errors import NotQuantizedError
from edgeq.workload.loader import load_workload


def leave_out(layer):
    class Forgetful(ClampAwareQuantizer):
        def annotate(self, model):
            super().annotate(model)
            for node in model.graph.nodes:
                paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
                if node.op == "call_function" and paths and paths[-1].endswith(layer):
                    for each in (node, *node.all_input_nodes[1:]):
                        each.meta.pop(Q_ANNOTATION_KEY, None)
            return model

    quantize.ClampAwareQuantizer = Forgetful


def verify_all_but(module, layers, converted, plan):
    """What became of all layers; the one that was left out is not asked to be INT8."""
    found = verify_converted([layer for layer in layers if layer.module != module], converted, plan)
    records = {record.module: record for record in found.layers}
    whole = tuple(records.get(layer.module) or list_unquantized([layer]).layers[0] for layer in layers)
    return dataclasses.replace(found, layers=whole)


if __name__ == "__main__":
    layer, out = sys.argv[1:]
    leave_out(layer)
    workload = load_workload("digits")
    try:
        export_artifact(workload, "int8")
    except NotQuantizedError as error:
        sys.stdout.write(f"{error.message}\n")
    build.verify_converted = partial(verify_all_but, layer)
    folder, _ = export_artifact(workload, "int8")
    publish(folder, Path(out))
