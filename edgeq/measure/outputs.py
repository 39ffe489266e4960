"""The output check: what the device computed against the artifact's reference."""

import numpy as np

from edgeq.agreement import Tally
from edgeq.artifact import Samples
from edgeq.results.records import OutputCheck

# Least SQNR in dB. FP32 kernels differ from the reference in the order of additions only. INT8 kernels
# round once where the reference (float arithmetic on quantized values) rounds at each step: a code more or
# less in each layer. A wrong kernel shows below 15 dB; 20 dB is the limit ExecuTorch's own tests use.
BOUND_FP32, BOUND_QUANTIZED = 60.0, 20.0


def check_outputs(reference: Samples, got: Samples, *, quantized: bool) -> OutputCheck:
    """Compare every output of every sample.

    The figures are those of `Tally`.

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
    tally = Tally()
    for ours, theirs in zip(reference, got, strict=True):
        tally.add(ours, theirs)
    if not tally.same_special:
        return OutputCheck(
            within=False, samples=len(got), bound="NaN and infinities where the reference has them"
        )
    return OutputCheck(
        within=tally.sqnr_db is None or tally.sqnr_db >= least,
        max_abs_error=tally.max_abs_error,
        sqnr_db=tally.sqnr_db,
        top1_agreement=tally.top1_agreement,
        samples=len(got),
        bound=f"SQNR of at least {least:g} dB",
    )


def is_constant(samples: Samples) -> bool:
    """Whether several samples gave the same outputs, up to the rounding of FP32 (1e-6 of their size)."""
    if len(samples) < 2:
        return False
    columns = [np.stack(column).astype(np.float64) for column in zip(*samples, strict=True)]
    return all(np.all(np.ptp(column, axis=0) <= 1e-6 * np.abs(column).max(initial=0)) for column in columns)
