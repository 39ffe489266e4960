"""XNNPACK's partitioner, told of INT8 kernels that XNNPACK has and the partitioner does not ask for.

For an elementwise function of one INT8 tensor XNNPACK computes a table of all 256 codes once and looks up
each element: the codes are those of dequantize, function, quantize, at a fraction of the instructions.
ExecuTorch 1.5 takes hard-swish, sigmoid and tanh in FP32 only.
"""

from typing import Any

from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.generic_node_configs import (
    HardswishConfig,
    SigmoidConfig,
    TanhConfig,
)
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

_WITH_TABLES = (HardswishConfig, SigmoidConfig, TanhConfig)


def make_partitioner() -> XnnpackPartitioner:
    """The partitioner that programs are lowered with."""
    return XnnpackPartitioner(configs=[_with_table(config) for config in ALL_PARTITIONER_CONFIGS])


def _with_table(config: Any) -> Any:  # noqa: ANN401 - ExecuTorch's classes, untyped
    if config not in _WITH_TABLES:
        return config
    precisions = [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]
    return type(config.__name__, (config,), {"supported_precision_types": lambda _: precisions})
