"""Tables of operators from hand-made events, and from an ETDump recorded on x86_64 (ExecuTorch 1.5.1)."""

from pathlib import Path

import pytest

from edgeq.errors import MeasurementError
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
    table = operator_table([_inference(1), _inference(3), _inference(2)], 3, 1.0, "insn", [])
    by_name = {row.kernel: row.total for row in table}
    assert by_name["Convolution (NHWC, QC8) IGEMM #1"] == 100
    assert by_name["portable mean.out"] == 10
    assert by_name["delegate, outside kernels"] == 2 * (90 - 82)
    assert sum(row.total for row in table) == 200


def test_blocks_that_are_no_inference_and_warm_up_are_left_out():
    load = [_event(name="Program::load_method", ticks=999)]
    table = operator_table([load, _inference(1000), _inference(1)], 1, 1.0, "insn", [])
    assert sum(row.total for row in table) == 100


def test_precision_and_delegation_come_from_the_kernel():
    table = operator_table([_inference()], 1, 1.0, "insn", [])
    assert {(row.name, row.precision, row.delegated) for row in table} >= {
        ("Convolution", "int8", True),
        ("Fully Connected", "int8", True),
        ("mean.out", "unknown", False),
    }


def test_modules_are_attached_when_every_layer_has_its_kernel():
    table = operator_table([_inference()], 1, 1.0, "insn", ["features.0", "head"])
    assert [(row.name, row.module) for row in table if row.module] == [
        ("Convolution", "features.0"),
        ("Fully Connected", "head"),
    ]


def test_modules_are_not_guessed_when_counts_differ():
    table = operator_table([_inference()], 1, 1.0, "insn", ["a", "b", "c"])
    assert all(row.module is None for row in table)


def test_too_few_inferences_are_an_error():
    with pytest.raises(MeasurementError, match="holds 1 inferences, 2"):
        operator_table([_inference()], 2, 1.0, "insn", [])


def test_inferences_of_different_shape_are_an_error():
    with pytest.raises(MeasurementError, match="different operators"):
        operator_table([_inference(), _inference()[1:]], 2, 1.0, "insn", [])


def test_a_recorded_dump_gives_every_kernel_of_the_program():
    table = operator_table(
        read_etdump(RECORDED.read_bytes()), 2, 1e-9, "s", ["conv", "depthwise", "point", "head"]
    )
    assert [row.kernel for row in table if row.module] == [
        "Convolution (NHWC, QC8) IGEMM #1",
        "Convolution (NHWC, QC8) DWConv #1",
        "Fully Connected (NC, QS8, QC8W) GEMM #1",
        "Fully Connected (NC, QS8, QC8W) GEMM #2",
    ]
    assert all(row.unit == "s" and row.total >= 0 for row in table)


def test_a_file_that_is_no_etdump_is_refused():
    with pytest.raises(MeasurementError, match="identifier"):
        read_etdump(b"\x00" * 64)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_dump_is_refused_and_never_crashes(share):
    whole = RECORDED.read_bytes()
    with pytest.raises(MeasurementError):
        operator_table(read_etdump(whole[: int(len(whole) * share)]), 3, 1.0, "insn", [])


def test_flipped_bytes_never_raise_anything_else():
    whole = RECORDED.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        try:
            read_etdump(bytes(damaged))
        except MeasurementError as error:
            assert "ETDump" in error.message  # noqa: PT017 - either outcome is right, a crash is not
