"""The interval of a share that was counted."""

import numpy as np
import pytest
from scipy.stats import binomtest

from edgeq.results.share import bound_share


@pytest.mark.parametrize(("count", "samples"), [(0, 1), (1, 1), (8, 8), (359, 360), (180, 360), (3, 10_000)])
def test_it_is_wilsons_interval_as_scipy_has_it(count, samples):
    expected = binomtest(count, samples).proportion_ci(confidence_level=0.95, method="wilson")
    assert bound_share(count / samples, samples) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_it_holds_the_true_share_about_nineteen_times_in_twenty():
    counts = np.random.default_rng(7).binomial(360, 0.97, 2000)
    held = [low <= 0.97 <= high for low, high in (bound_share(c / 360, 360) for c in counts)]
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize(("share", "samples"), [(0.5, 0), (1.1, 10), (float("nan"), 10)])
def test_what_is_no_share_has_no_interval(share, samples):
    with pytest.raises(ValueError, match="no interval"):
        bound_share(share, samples)
