"""Tries the changes of a recipe that a diagnosis suggests: advice comes with what it gave here."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edgeq.compile.diagnosis.study import Study, judge, simulate, vary_study
from edgeq.compile.recipe import AnyObserver, Override, extend_recipe
from edgeq.errors import RecipeError
from edgeq.results.diagnosis.advice import Suggestion
from edgeq.results.diagnosis.document import Advice, Trial, miss_trial


def try_suggestions(
    study: Study,
    suggestions: Sequence[Suggestion],
    seconds: float | None,
    *,
    evaluate: bool = False,
    announce: Callable[[str], None] = lambda _: None,
) -> tuple[Advice, ...]:
    """Try each change once; no trial begins after `seconds`. What helps most comes first."""
    started = time.monotonic()
    made: dict[bytes, Trial] = {}
    if suggestions:
        announce(f"{len(suggestions)} findings: trying what may help")
    for suggestion in suggestions:
        key = msgspec.json.encode(suggestion.change)
        if key in made:
            continue
        if seconds is not None and time.monotonic() - started > seconds:
            made[key] = miss_trial(f"not tried: the budget of {seconds:g} s was spent")
            continue
        try:
            made[key] = _try(study, suggestion.change, evaluate=evaluate)
        except RecipeError as error:
            made[key] = miss_trial(error.message)
    advice = [
        Advice(
            code=each.code,
            message=each.message,
            modules=each.modules,
            change=each.change,
            trial=made[msgspec.json.encode(each.change)],
        )
        for each in suggestions
    ]
    return tuple(sorted(advice, key=lambda each: -each.trial.sqnr_db))


def _try(study: Study, change: dict[str, Any], *, evaluate: bool) -> Trial:
    fields = dict(change)
    overrides = msgspec.convert(fields.pop("overrides", ()), tuple[Override, ...])
    if not fields:
        return judge(study, simulate(study, overrides), evaluate=evaluate)
    if "observer" in fields:
        fields["observer"] = msgspec.convert(fields["observer"], AnyObserver)
    varied = vary_study(study, extend_recipe(study.recipe, overrides=overrides, **fields))
    return judge(varied, simulate(varied), evaluate=evaluate)
