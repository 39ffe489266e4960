"""Tables of operators from hand-made events, and from an ETDump recorded on x86_64 (ExecuTorch 1.5.1)."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from programs import SHAPE, make_graph

from edgeq.errors import MeasurementError
from edgeq.graph import Delegate, Kernel, Node, ProgramGraph
from edgeq.measure.etdump import Event, read_etdump
from edgeq.measure.operators import operator_table

RECORDED = Path(__file__).parents[1] / "fixtures" / "separable_int8.etdump"


def _event(name=None, kernel=None, ticks=0, instruction=0):
    return Event(name=name, kernel=kernel, instruction=instruction, ticks=ticks)


def _inference(scale=1):
    return [
        _event(kernel="Convert (NC) #1", ticks=2 * scale),
        _event(kernel="Convolution (NHWC, QC8) IGEMM #1", ticks=50 * scale),
        _event(kernel="Fully Connected (NC, QS8, QC8W) GEMM #1", ticks=30 * scale),
        _event(name="DELEGATE_CALL", ticks=90 * scale),
        _event(name="native_call_mean.out", ticks=5 * scale, instruction=1),
        _event(name="OPERATOR_CALL", ticks=6 * scale, instruction=1),
        _event(name="Method::execute", ticks=100 * scale),
    ]


def test_totals_are_means_and_add_up_to_the_whole_inference():
    table = operator_table([_inference(1), _inference(3), _inference(2)], 3, 1.0, "insn", None)
    by_name = {row.kernel: row.total for row in table}
    assert by_name["Convolution (NHWC, QC8) IGEMM #1"] == 100
    assert by_name["portable mean.out"] == 10
    assert by_name["delegate, outside kernels"] == 2 * (90 - 82)
    assert sum(row.total for row in table) == 200


def test_blocks_that_are_no_inference_and_warm_up_are_left_out():
    load = [_event(name="Program::load_method", ticks=999)]
    table = operator_table([load, _inference(1000), _inference(1)], 1, 1.0, "insn", None)
    assert sum(row.total for row in table) == 100


def test_precision_and_delegation_come_from_the_kernel():
    table = operator_table([_inference()], 1, 1.0, "insn", None)
    assert {(row.name, row.precision, row.delegated) for row in table} >= {
        ("Convolution", "int8", True),
        ("Fully Connected", "int8", True),
        ("mean.out", "unknown", False),
    }


def _traced(*kernels, natives=("mean.out",)):
    events = [_event(kernel=kernel, ticks=10) for kernel in kernels]
    events.append(_event(name="DELEGATE_CALL", ticks=90))
    for name in natives:
        events += [_event(name=f"native_call_{name}", ticks=5), _event(name="OPERATOR_CALL", ticks=6)]
    return [*events, _event(name="Method::execute", ticks=200)]


def _rows(events, graph):
    table = operator_table([events], 1, 1.0, "insn", graph)
    return {row.kernel: (row.module, row.shape) for row in table if row.precision != "none"}


KERNELS = (
    "Convert (NC) #1",
    "Transpose (ND, X8) #1",
    "Convolution (NHWC, QC8) IGEMM #1",
    "Transpose (ND, X8) #2",
    "Convert (NC) #2",
)


def test_every_kernel_has_the_module_and_shape_of_its_node():
    assert _rows(_traced(*KERNELS), make_graph()) == {
        "Convert (NC) #1": ("", SHAPE),
        "Transpose (ND, X8) #1": (None, None),
        "Convolution (NHWC, QC8) IGEMM #1": ("stem.conv", SHAPE),
        "Transpose (ND, X8) #2": (None, None),
        "Convert (NC) #2": ("act", SHAPE),
        "portable mean.out": ("head", (1, 4)),
    }


@pytest.mark.parametrize(
    ("kernels", "why"),
    [
        (KERNELS[:-1], "4 kernels ran, and 1 of the graph are missing"),
        ((*KERNELS, "Add (ND) #1"), "kernel 6 is Add (ND) #1, beyond those of the graph"),
        ((KERNELS[0], *KERNELS[2:], "Copy (NC, X8) #1"), "where the graph has StaticTranspose"),
    ],
)
def test_modules_of_kernels_without_weights_are_not_guessed(kernels, why):
    table = operator_table([_traced(*kernels)], 1, 1.0, "insn", make_graph())
    named = {row.kernel: row.module for row in table if row.module is not None}
    # XNNPACK neither joins nor adds kernels with weights: as many of them ran as the graph has.
    assert named == {"Convolution (NHWC, QC8) IGEMM #1": "stem.conv", "portable mean.out": "head"}
    assert all(why in row.unassigned for row in table if row.delegated and row.kernel.startswith("Convert"))


def test_nothing_is_told_when_weighted_kernels_are_of_another_number():
    kernels = (*KERNELS, "Fully Connected (NC, QS8, QC8W) GEMM #1")
    assert {module for module, _ in _rows(_traced(*kernels), make_graph()).values()} == {None, "head"}


def test_portable_kernels_of_another_number_or_name_are_not_guessed():
    rows = _rows(_traced(*KERNELS, natives=("mean.out", "mean.out")), make_graph())
    assert rows["portable mean.out"] == (None, None)
    assert _rows(_traced(*KERNELS, natives=("sum.out",)), make_graph())["portable sum.out"] == (None, None)


def test_an_artifact_without_a_graph_tells_no_modules():
    table = operator_table([_traced(*KERNELS)], 1, 1.0, "insn", None)
    assert {row.module for row in table} == {None}
    assert all("no graph of the program" in row.unassigned for row in table if row.precision != "none")


def test_a_table_of_codes_stands_in_the_place_of_the_conversion_behind_it():
    quantized = Node(kind="quantize", op="q", name="q")
    nodes = (
        Node(kind="dequantize", op="d", name="d"),
        Node(kind="operator", op="aten.leaky_relu.default", name="relu", module="act", inputs=(0,)),
        Node(kind="operator", op="aten.mean.dim", name="mean", module="pool", inputs=(0,)),
        replace(quantized, inputs=(1,)),
        Node(kind="operator", op="aten.add.Tensor", name="add", module="sum", inputs=(2, 3)),
    )
    kernels = tuple(
        Kernel(kind=kind, node=node)
        for kind, node in (("LeakyReLU", 1), ("GlobalAvgPooling2d", 2), ("Convert", 3), ("Add", 4))
    )
    delegate = Delegate(name="d", backend="XNNPACK", kernels=kernels)
    graph = ProgramGraph(nodes=nodes, delegates=(delegate,), tensors=())
    ran = ("Mean (ND) #1", "Invalid Unary Op #1", "Add (ND) #1", "Clamp (NC) #1")
    assert [module for module, _ in _rows(_traced(*ran, natives=()), graph).values()] == [
        *("pool", "act", "sum", "sum")
    ]


DYNAMIC = "Fully Connected (NC, QD8, F32, QC8W) GEMM #1"


@pytest.mark.parametrize("ran", [(DYNAMIC,), ("Convert (NC, F32, QD8) #1", DYNAMIC)])
def test_a_dynamic_conversion_may_be_done_by_the_layer_that_reads_it(ran):
    nodes = (
        Node(kind="input", op="x", name="x"),
        Node(kind="quantize", op="quantized_decomposed.choose_qparams.tensor", name="c", inputs=(0,)),
        Node(kind="quantize", op="quantized_decomposed.quantize_per_tensor.tensor", name="q", inputs=(0, 1)),
        Node(kind="operator", op="aten.linear.default", name="l", module="head", inputs=(2,)),
    )
    kernels = (Kernel(kind="Convert", node=2), Kernel(kind="FullyConnected", node=3))
    delegate = Delegate(name="d", backend="XNNPACK", kernels=kernels)
    rows = _rows(_traced(*ran, natives=()), ProgramGraph(nodes=nodes, delegates=(delegate,), tensors=()))
    assert rows[ran[-1]] == ("head", ())
    assert all(module is not None for module, _ in rows.values())


def test_too_few_inferences_are_an_error():
    with pytest.raises(MeasurementError, match="holds 1 inferences, 2"):
        operator_table([_inference()], 2, 1.0, "insn", None)


def test_inferences_of_different_shape_are_an_error():
    with pytest.raises(MeasurementError, match="different operators"):
        operator_table([_inference(), _inference()[1:]], 2, 1.0, "insn", None)


def test_a_recorded_dump_gives_every_kernel_of_the_program():
    kinds = "Convert StaticTranspose Conv2d DepthwiseConv2d Conv2d GlobalAvgPooling2d StaticTranspose"
    modules = ("in", None, "conv", "depthwise", "point", "pool", None, "view", "head", "head")
    nodes = tuple(
        Node(kind="operator", op="x", name=module, module=module, shape=(1, 8))
        for module in modules
        if module
    )
    places = iter(range(len(nodes)))
    kernels = tuple(
        Kernel(kind=kind, node=next(places) if module else None)
        for kind, module in zip(
            (*kinds.split(), "StaticReshape", "FullyConnected", "Convert"), modules, strict=True
        )
    )
    delegate = Delegate(name="d", backend="XNNPACK", kernels=kernels)
    graph = ProgramGraph(nodes=nodes, delegates=(delegate,), tensors=())
    table = operator_table(read_etdump(RECORDED.read_bytes()), 2, 1e-9, "s", graph)
    assert tuple(row.module for row in table if row.precision != "none") == modules
    assert all(row.unit == "s" and row.total >= 0 for row in table)


def test_a_file_that_is_no_etdump_is_refused():
    with pytest.raises(MeasurementError, match="identifier"):
        read_etdump(b"\x00" * 64)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_dump_is_refused_and_never_crashes(share):
    whole = RECORDED.read_bytes()
    with pytest.raises(MeasurementError):
        operator_table(read_etdump(whole[: int(len(whole) * share)]), 3, 1.0, "insn", None)


def test_flipped_bytes_never_raise_anything_else():
    whole = RECORDED.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        try:
            read_etdump(bytes(damaged))
        except MeasurementError as error:
            assert "ETDump" in error.message  # noqa: PT017 - either outcome is right, a crash is not
