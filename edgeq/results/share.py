"""How far a share that was counted on a sample can be trusted: Wilson's interval of 95 %."""

import math
import statistics

CONFIDENCE = 0.95

_Z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def bound_share(share: float, samples: int) -> tuple[float, float]:
    """Lower and upper end of the interval of a `share` that was counted over `samples` independent ones.

    It is the score interval of Wilson (1927), which holds near 0 and 1 and for few samples.

    Raises:
        ValueError: no samples, or no share.
    """
    if samples < 1 or not 0 <= share <= 1:
        raise ValueError(f"no interval of a share of {share} over {samples} samples")
    weight = _Z**2 / samples
    middle = (share + weight / 2) / (1 + weight)
    reach = math.sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)
