"""A small lowered program by hand: an INT8 convolution with its clamp in a delegate, and a mean left out."""

from edgeq.graph import Delegate, Kernel, MemoryPlan, Node, Planned, ProgramGraph, Tensor

REASON, REMEDY = "mean.dim only supports keepdim=True", "add 'global-mean' to the recipe's `rewrites`"
SHAPE = (1, 4, 6, 6)


def make_graph(module: str = "stem.conv") -> ProgramGraph:
    """Input, quantize, dequantize, convolution, clamp, quantize, dequantize in a delegate; mean; output."""
    kernels = (
        Kernel(kind="Convert", node=1),
        Kernel(kind="StaticTranspose"),
        Kernel(kind="Conv2d", node=3),
        Kernel(kind="StaticTranspose"),
        Kernel(kind="Convert", node=6),
    )
    delegates = (Delegate(name="lowered_module_0", backend="XNNPACK", kernels=kernels),)
    return ProgramGraph(nodes=_nodes(module), delegates=delegates, tensors=_tensors(module), memory=_plan())


def _nodes(module: str) -> tuple[Node, ...]:
    of = {"dtype": "float32", "shape": SHAPE}
    inside = {"delegate": 0, **of}
    return (
        Node(kind="input", op="image", name="image", **of),
        Node(kind="quantize", op="quantize_per_tensor", name="q", inputs=(0,), **inside),
        Node(kind="dequantize", op="dequantize_per_tensor", name="d", inputs=(1,), **inside),
        Node(
            kind="operator",
            op="aten.convolution.default",
            name="conv",
            module=module,
            inputs=(2,),
            macs=900,
            **inside,
        ),
        Node(kind="operator", op="aten.hardtanh.default", name="clamp", module="act", inputs=(3,), **inside),
        Node(kind="quantize", op="quantize_per_tensor", name="q1", module="act", inputs=(4,), **inside),
        Node(kind="dequantize", op="dequantize_per_tensor", name="d1", module="act", inputs=(5,), **inside),
        Node(
            kind="operator",
            op="aten.mean.dim",
            name="mean",
            module="head",
            dtype="float32",
            shape=(1, 4),
            inputs=(6,),
            reason=REASON,
            remedy=REMEDY,
        ),
        Node(kind="output", op="out", name="mean", dtype="float32", shape=(1, 4), inputs=(7,)),
    )


def _tensors(module: str) -> tuple[Tensor, ...]:
    return (
        Tensor(
            name="image",
            role="activation",
            module="",
            dtype="int8",
            shape=SHAPE,
            scales=(0.5,),
            zero_points=(-28,),
            low=-50.0,
            high=77.5,
        ),
        Tensor(
            name="stem.conv.weight",
            role="weight",
            module=module,
            dtype="int8",
            shape=(4, 4, 3, 3),
            scales=(0.1, 0.2, 0.4, 0.3),
            zero_points=(0, 0, 0, 0),
            axis=0,
            low=-50.8,
            high=50.8,
        ),
        Tensor(name="mean", role="activation", module="head", dtype="float32", shape=(1, 4)),
    )


def _plan() -> MemoryPlan:
    return MemoryPlan(
        arenas=(1216,),
        steps=("image", "delegate", "mean"),
        tensors=(
            Planned(name="image", arena=0, offset=0, bytes=576, first=0, last=1),
            Planned(name="delegate", arena=0, offset=576, bytes=640, first=1, last=2),
            Planned(name="mean", arena=0, offset=0, bytes=16, first=2, last=2),
        ),
    )
