"""How much of a metric was lost against a reference, and whether that is more than a user allows.

Every metric is better when higher, unless a word of its name says that it is a cost and not a negated one.
"""

import math
import re

from edgeq.errors import InputError
from edgeq.results.limits import Limit, read_limit
from edgeq.results.records import Metrics, Record
from edgeq.results.verdict import ROUNDING, Better

# Words that make a metric a cost.
LOWER_IS_BETTER = frozenset(
    (
        *("loss", "error", "errors", "err", "distance", "divergence", "deviance"),
        *("mae", "mse", "msle", "rmse", "rmsle", "mape", "smape", "nme", "epe", "mpjpe", "ade", "fde"),
        *("wer", "cer", "eer", "ece", "fpr", "fnr", "brier", "lpips", "fid"),
        *("nll", "bce", "xent", "entropy", "crossentropy", "ppl", "perplexity"),
    )
)
# At the start of a name these make a score of a cost, as scikit-learn names it, and a cost of a likelihood.
_NEGATED = frozenset(("neg", "negative"))
# These may stand before them: they say on what data.
_DATA = frozenset(("train", "val", "valid", "validation", "eval", "test"))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Loss(Record, frozen=True, kw_only=True):
    """What became of one metric, in its own unit.

    Attributes:
        lost: how much worse `value` is than `reference`; negative when it is better.
        allowed: how much worse it may be.
        within: whether it is no worse than that; False when either of the two is no number.
    """

    metric: str
    reference: float
    value: float
    lost: float
    allowed: float
    within: bool

    @property
    def share(self) -> float:
        """What was lost as a share of the reference, no less than 0; infinite when that is unknown."""
        if math.isnan(self.lost):
            return math.inf
        return max(self.lost, 0.0) / (abs(self.reference) or 1.0)

    @property
    def badness(self) -> tuple[bool, float]:
        """Key that sorts the least loss first; all that is allowed comes before what is not."""
        return not self.within, self.share

    @property
    def excess(self) -> float:
        """What was lost beyond what is allowed, as a share of the reference; negative within."""
        return (self.lost - self.allowed) / (abs(self.reference) or 1.0)


class Drop(Record, frozen=True, kw_only=True):
    """How much of a metric may be lost: `text` as it was asked for, and the limit that it stands for."""

    text: str
    limit: Limit

    def judge_worst(self, reference: Metrics, values: Metrics) -> Loss | None:
        """The loss of that metric of `reference` which is worst beside what is allowed; None without any.

        A metric that `values` has not is as bad as can be.

        Raises:
            InputError: as `judge`.
        """
        losses = [
            self.judge(metric, before, value if isinstance(value := values.get(metric), float) else math.nan)
            for metric, before in reference.items()
            if isinstance(before, float)
        ]
        return max(losses, key=lambda loss: math.inf if math.isnan(loss.lost) else loss.excess, default=None)

    def judge(self, metric: str, reference: float, value: float) -> Loss:
        """What `value` lost of `reference`, and whether this drop allows it.

        Raises:
            InputError: the drop is as large as the reference, so that nothing could fail.
        """
        allowed = self.limit.slack(reference)
        if find_better(metric) == "higher" and 0 < reference <= allowed:
            raise InputError(
                f"--max-drop {self.text} allows {metric} to fall to {reference - allowed:g} "
                f"from {reference:g}: no model could fail",
                hint="1% is a share of the metric, 0.01 an amount in its own unit",
            )
        lost = find_lost(metric, reference, value)
        return Loss(
            metric=metric,
            reference=reference,
            value=value,
            lost=lost,
            allowed=allowed,
            within=is_within(lost, reference, allowed),
        )


def parse_drop(text: str) -> Drop:
    """Read `1%` (a share of the reference), `0.01` (an amount in the metric's unit) or `1pt` (a hundredth).

    Raises:
        InputError: it is none of these; a negative number and NaN are not.
    """
    limit = read_limit(text.strip())
    if limit is None:
        raise InputError(
            f"--max-drop {text!r:.40}: that is no drop",
            hint="1% is a share of the metric, 0.01 an amount in its own unit, 1pt one hundredth",
        )
    return Drop(text=text.strip(), limit=limit)


def find_better(metric: str) -> Better:
    """Whether a higher or a lower value of `metric` is better, by the words of its name."""
    words = [word.lower() for word in _WORD.findall(metric)]
    first = next((word for word in words if word not in _DATA), None)
    is_cost = bool(LOWER_IS_BETTER.intersection(words))
    if first in _NEGATED and (is_cost or "likelihood" in words):
        is_cost = not is_cost
    return "lower" if is_cost else "higher"


def find_lost(metric: str, reference: float, value: float) -> float:
    """How much worse `value` is than `reference`, in the metric's own unit; negative when it is better."""
    return value - reference if find_better(metric) == "lower" else reference - value


def is_within(lost: float, reference: float, allowed: float) -> bool:
    """Whether what was lost of `reference` is allowed, but for rounding; False when it is no number."""
    return lost <= allowed + ROUNDING * max(abs(reference), allowed)
