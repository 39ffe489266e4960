"""The output check: what the device computed against the artifact's reference."""

from collections.abc import Sequence

import numpy as np

from edgeq.artifact import Array, Samples
from edgeq.results.records import OutputCheck

# Least SQNR in dB. FP32 kernels differ from the reference in the order of additions only. INT8 kernels
# round once where the reference (float arithmetic on quantized values) rounds at each step: a code more or
# less in each layer. A wrong kernel shows below 15 dB; 20 dB is the limit ExecuTorch's own tests use.
BOUND_FP32, BOUND_QUANTIZED = 60.0, 20.0


def check_outputs(reference: Samples, got: Samples, *, quantized: bool) -> OutputCheck:
    """Compare every output of every sample.

    SQNR is `10 log10(sum(ref^2) / sum((ref - got)^2))` over each output position, all samples together; the
    worst position counts. Top-1 agreement is over outputs that look like classes: floating point, with the
    last axis at least 2 long and the only one longer than 1.

    Args:
        reference: samples of the converted model.
        got: samples of the device, in the same order.
        quantized: whether the program is quantized; picks the bound.
    """
    if [[(a.dtype, a.shape) for a in row] for row in got] != [
        [(a.dtype, a.shape) for a in row] for row in reference
    ]:
        return OutputCheck(
            within=False,
            samples=len(got),
            bound="the number, dtypes and shapes of outputs as in the reference",
        )
    least = BOUND_QUANTIZED if quantized else BOUND_FP32
    columns = [
        (np.stack(ours).astype(np.float64), np.stack(theirs).astype(np.float64))
        for ours, theirs in zip(zip(*reference, strict=True), zip(*got, strict=True), strict=True)
    ]
    if not all(_same_special(ref, out) for ref, out in columns):
        return OutputCheck(
            within=False, samples=len(got), bound="NaN and infinities where the reference has them"
        )
    errors = [_max_error(ref, out) for ref, out in columns]
    ratios = [_sqnr_db(ref, out) for ref, out in columns]
    noisy = [db for db in ratios if db is not None]
    return OutputCheck(
        within=all(db >= least for db in noisy),
        max_abs_error=max(errors, default=0.0),
        sqnr_db=min(noisy, default=None),
        top1_agreement=_top1(reference, got),
        samples=len(got),
        bound=f"SQNR of at least {least:g} dB",
    )


def is_constant(samples: Samples) -> bool:
    """Whether several samples gave the same outputs, up to the rounding of FP32 (1e-6 of their size)."""
    if len(samples) < 2:
        return False
    columns = [np.stack(column).astype(np.float64) for column in zip(*samples, strict=True)]
    return all(np.all(np.ptp(column, axis=0) <= 1e-6 * np.abs(column).max(initial=0)) for column in columns)


def _same_special(reference: Array, got: Array) -> bool:
    """Whether NaN and the infinities stand in the same places."""
    ours, theirs = (np.where(np.isfinite(array), 0.0, array) for array in (reference, got))
    return np.array_equal(ours, theirs, equal_nan=True)


def _max_error(reference: Array, got: Array) -> float:
    finite = np.isfinite(reference)
    return float(np.max(np.abs(reference[finite] - got[finite]), initial=0.0))


def _sqnr_db(reference: Array, got: Array) -> float | None:
    """SQNR in dB over the finite values; None when equal, 0 for noise where the reference is 0."""
    finite = np.isfinite(reference)
    noise = float(np.sum((reference[finite] - got[finite]) ** 2))
    if noise == 0:
        return None
    signal = float(np.sum(reference[finite] ** 2))
    return float(10 * np.log10(signal / noise)) if signal else 0.0


def _top1(reference: Samples, got: Samples) -> float | None:
    """Share of samples with the same class, over outputs that look like classes; None if there are none."""
    agreed = [
        np.argmax(ours) == np.argmax(theirs)
        for ref, out in zip(reference, got, strict=True)
        for ours, theirs in zip(ref, out, strict=True)
        if _is_classes(ours)
    ]
    return float(np.mean(agreed)) if agreed else None


def _is_classes(array: Array) -> bool:
    shape: Sequence[int] = array.shape
    return bool(
        np.issubdtype(array.dtype, np.floating) and shape and shape[-1] > 1 and array.size == shape[-1]
    )
