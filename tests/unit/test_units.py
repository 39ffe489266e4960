"""Quantities as people read them."""

import pytest

from edgeq.units import UNITS, format_quantity, format_ratio


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5, "s", "1.500 s"),
        (0.0015, "s", "1.500 ms"),
        (2e-6, "s", "2 us"),
        (3.25e-9, "s", "3.250 ns"),
        (67_599_123, "insn", "67.60 M insn"),
        (1_234, "insn", "1.234 k insn"),
        (12, "insn", "12 insn"),
        (2.5e9, "insn", "2.500 G insn"),
        (3_710_000, "B", "3.710 MB"),
        (1000, "B", "1 kB"),
        (999, "B", "999 B"),
        (0.25, "W", "250 mW"),
        (0.0004, "J", "400 uJ"),
        (45.5, "degC", "45.50 °C"),
        (2.4e9, "Hz", "2.400 GHz"),
        (0.987, "1", "0.9870"),
    ],
)
def test_a_quantity_gets_the_prefix_that_fits(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


@pytest.mark.parametrize(("value", "text"), [(999.96, "1 kB"), (999_960, "1 MB"), (999_940, "999.9 kB")])
def test_rounding_up_changes_the_prefix(value: float, text: str) -> None:
    assert format_quantity(value, "B") == text


def test_a_negative_quantity_keeps_its_sign_and_scale() -> None:
    assert format_quantity(-1500, "B") == "-1.500 kB"
    assert format_quantity(-12.5, "degC") == "-12.50 °C"


@pytest.mark.parametrize(("unit", "text"), [("s", "0 s"), ("insn", "0 insn"), ("degC", "0 °C"), ("1", "0")])
def test_zero_has_no_prefix(unit: str, text: str) -> None:
    assert format_quantity(0, unit) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_shown_as_it_is(value: float) -> None:
    assert format_quantity(value, "s") == f"{value} s"


def test_the_number_of_digits_can_be_chosen() -> None:
    assert format_quantity(1234, "insn", digits=2) == "1.2 k insn"


def test_every_unit_can_be_written() -> None:
    for unit in UNITS:
        for exponent in range(-12, 13):
            assert format_quantity(1.2345 * 10.0**exponent, unit)


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown unit 'ms'; the units are s, insn"):
        format_quantity(1, "ms")


def test_an_instruction_count_never_reads_as_a_time() -> None:
    for exponent in range(13):
        assert format_quantity(10.0**exponent, "insn").endswith("insn")


def test_a_ratio_is_new_over_base() -> None:
    assert format_ratio(51.4, 121.4) == "0.423x"
    assert format_ratio(1, 0) == "n/a"
