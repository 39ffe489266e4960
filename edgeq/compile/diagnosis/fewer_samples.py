"""Whether the calibration set is large enough: the recipe with ranges from its first samples only.

The set goes through the observers once. At 1, 2, 4, 8, ... samples what they have seen is set aside, and a
trial is made with it; each is judged on the same inputs as all other trials, whatever its ranges come from.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from edgeq.compile.build import calibration_samples
from edgeq.compile.diagnosis.simulate import Ranges, collect_ranges
from edgeq.compile.diagnosis.study import Study, judge, simulate
from edgeq.compile.quantization.quantize import insert_observers
from edgeq.compile.silence import silence
from edgeq.compile.threads import one_thread
from edgeq.results.diagnosis.document import CountTrial, miss_trial


def try_fewer_samples(
    study: Study,
    seconds: float | None,
    *,
    evaluate: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> tuple[CountTrial, ...]:
    """A trial for each power of two below the size of the calibration set, the fewest samples first.

    None is begun after so many `seconds`. A recipe without calibrated ranges has none.

    Raises:
        CalibrationError: the set gives other samples than before.
    """
    survey = study.order.survey
    if survey is None:
        return ()
    announce(f"{study.order.name}: calibrating on fewer samples")
    started = time.monotonic()
    made = []
    for count, ranges in _watch_ranges(study, survey.calibration.samples).items():
        if seconds is not None and time.monotonic() - started > seconds:
            trial = miss_trial(f"not tried: the budget of {seconds:g} s was spent")
        else:
            fewer = replace(study, ranges=ranges)
            trial = judge(fewer, simulate(fewer), evaluate=evaluate)
        made.append(CountTrial(samples=count, trial=trial))
    return tuple(made)


@one_thread()
def _watch_ranges(study: Study, samples: int) -> dict[int, Ranges]:
    """What the observers have seen after 1, 2, 4, ... of the `samples`."""
    kept: dict[int, Ranges] = {}
    with silence(), torch.no_grad():
        prepared = insert_observers(study.order.program, study.order.plan)
        for count, sample in enumerate(calibration_samples(study.order), 1):
            prepared(*sample)
            if count < samples and count & (count - 1) == 0:
                kept[count] = copy.deepcopy(collect_ranges(prepared))
    return kept
