import numpy as np
import pytest

from edgeq.measure.outputs import BOUND_FP32, BOUND_QUANTIZED, check_outputs, is_constant


def _samples(*arrays):
    return [tuple(np.asarray(a, dtype=np.float32) for a in row) for row in arrays]


def test_equal_outputs_have_no_noise_and_are_within():
    reference = _samples([[[1.0, 2.0]]], [[[3.0, -1.0]]])
    check = check_outputs(reference, reference, quantized=False)
    assert check.within
    assert check.sqnr_db is None
    assert check.max_abs_error == 0
    assert check.top1_agreement == 1.0
    assert check.samples == 2


def test_sqnr_is_ten_log_of_signal_over_noise():
    check = check_outputs(_samples([[10.0, 0.0]]), _samples([[11.0, 0.0]]), quantized=True)
    assert check.sqnr_db == pytest.approx(20.0)
    assert check.max_abs_error == pytest.approx(1.0)


@pytest.mark.parametrize(("quantized", "bound"), [(False, BOUND_FP32), (True, BOUND_QUANTIZED)])
def test_the_bound_of_the_precision_decides(quantized, bound):
    reference = _samples([[100.0, 1.0]])
    for db, within in ((bound + 1, True), (bound - 1, False)):
        noise = np.sqrt((100.0**2 + 1) / 10 ** (db / 10))
        assert (
            check_outputs(reference, _samples([[100.0 + noise, 1.0]]), quantized=quantized).within is within
        )


def test_the_worst_of_several_outputs_decides():
    reference = _samples([[1.0, 2.0], [5.0, 5.0]])
    got = _samples([[1.0, 2.0], [5.0, 0.0]])
    check = check_outputs(reference, got, quantized=True)
    assert not check.within
    assert check.sqnr_db == pytest.approx(10 * np.log10(50 / 25))


@pytest.mark.parametrize(
    "got",
    [
        _samples([[1.0, 2.0, 3.0]]),
        [(np.asarray([1.0, 2.0], dtype=np.float64),)],
        _samples([[1.0, 2.0]], [[1.0, 2.0]]),
        [],
    ],
    ids=["shape", "dtype", "one more", "none"],
)
def test_other_shapes_dtypes_or_counts_are_never_within(got):
    assert check_outputs(_samples([[1.0, 2.0]]), got, quantized=True).within is False


def test_a_nan_where_the_reference_has_a_number_is_not_within():
    assert check_outputs(_samples([[1.0, 2.0]]), _samples([[1.0, np.nan]]), quantized=True).within is False


def test_infinities_in_the_same_places_are_equal():
    reference = _samples([[1.0, -np.inf]])
    check = check_outputs(reference, reference, quantized=False)
    assert check.within
    assert check.max_abs_error == 0


def test_infinities_of_opposite_sign_are_not_within():
    assert (
        check_outputs(_samples([[1.0, -np.inf]]), _samples([[1.0, np.inf]]), quantized=True).within is False
    )


def test_noise_where_the_reference_is_silent_is_not_within():
    assert check_outputs(_samples([[0.0, 0.0]]), _samples([[0.0, 1.0]]), quantized=True).within is False


def test_integer_outputs_are_compared_without_wrapping():
    reference = [(np.asarray([0, 255], dtype=np.uint8),)]
    check = check_outputs(reference, [(np.asarray([1, 255], dtype=np.uint8),)], quantized=True)
    assert check.max_abs_error == 1
    assert check.top1_agreement is None


def test_top1_agreement_counts_samples_and_not_ties_of_value():
    reference = _samples([[[0.9, 0.1]]], [[[0.2, 0.8]]], [[[0.6, 0.4]]], [[[0.6, 0.4]]])
    got = _samples([[[0.8, 0.1]]], [[[0.3, 0.8]]], [[[0.5, 0.6]]], [[[0.6, 0.4]]])
    assert check_outputs(reference, got, quantized=True).top1_agreement == 0.75


def test_images_are_not_classes():
    reference = [(np.ones((1, 3, 4, 4), dtype=np.float32),)]
    assert check_outputs(reference, reference, quantized=False).top1_agreement is None


def test_outputs_that_do_not_depend_on_the_input_are_seen():
    assert is_constant(_samples([[1.0, 2.0]], [[1.0, 2.0 + 1e-7]]))
    assert not is_constant(_samples([[1.0, 2.0]], [[1.0, 2.1]]))
    assert not is_constant(_samples([[1.0, 2.0]]))
