"""The stages of a search on the host, cheap ones first: simulated trials, then exports of the best.

1. The recipe to start with, as it is. When it keeps the accuracy, stages 2 and 3 are left out.
2. What costs nothing on the device: equalization and bias correction, then the other observers.
3. The best of these with its worst layers in FP32: the count doubles, then halves the gap.
4. Exports of all that no other trial beats. Their `.pte` is judged on the host; a count of layers, none among
   them, that was enough in simulation and is not in the `.pte` goes back to stage 3.

A stage is decided by all of its trials together, so that nothing depends on the number of processes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeq.artifact import Artifact, load_artifact
from edgeq.cache import key_of
from edgeq.compile.diagnosis.bisection import next_counts
from edgeq.compile.recipe import Override, Recipe, find_recipe
from edgeq.compile.search import trial
from edgeq.compile.search.budget import Budget
from edgeq.compile.search.candidates import leave_out, list_corrections, list_observers, require_searchable
from edgeq.compile.search.journal import Exported, Journal, Ranked, Tried
from edgeq.compile.search.processes import Call, Crew
from edgeq.errors import ArtifactError, ExportError
from edgeq.results.drop import Drop, Loss
from edgeq.results.front import find_front
from edgeq.results.records import Metrics

ARTIFACTS = "artifacts"
_FP32 = find_recipe("fp32")
# Counts of layers that are tried at once, however many processes there are: the trials must not depend on it.
_AHEAD = 2

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """An exported recipe: its program, and what that lost on the host."""

    recipe: Recipe
    artifact: Artifact
    loss: Loss


@dataclass(frozen=True)
class Simulated:
    """A trial, what it lost, and the share of the work that it leaves in FP32."""

    tried: Tried
    loss: Loss
    share: float


@dataclass(frozen=True)
class Found:
    """What a search on the host found: exports, the FP32 program first, and all trials as they came."""

    candidates: list[Candidate]
    trials: list[Simulated]


class HostSearch:
    """One search of one workload, which has an `evaluate`.

    `spec` is what `load_workload` takes, `out` the search's folder.
    """

    def __init__(
        self,
        spec: str,
        start: Recipe,
        drop: Drop,
        out: Path,
        *,
        journal: Journal,
        crew: Crew,
        budget: Budget,
        announce: Announce = lambda _: None,
    ) -> None:
        self._spec = spec
        self._start = require_searchable(start)
        self._drop = drop
        self._out = out
        self._journal = journal
        self._crew = crew
        self._budget = budget
        self._announce = announce
        self._facts: dict[str, object] = {}
        self._eager: Metrics = {}
        self._trials: dict[str, Simulated] = {}
        self._ended = 0

    def run(self) -> Found:
        """All stages.

        Raises:
            RecipeError, CalibrationError: the recipe to start with cannot be applied.
            ExportError: not even that recipe and FP32 could be exported.
        """
        self._announce("reading the workload")
        self._facts = trial.describe_workload(self._spec, self._start)
        self._eager = trial.evaluate_eager(self._spec)
        # What `evaluate` reads has no hash: other data are known by what the eager model scores on them.
        self._facts |= {"eager": self._eager}
        self._announce(f"FP32: {_shown(self._eager)}; {self._budget}")
        self._try([(self._start, ())])
        best = self._choose_globally()
        counts = {0: best.loss.within}
        ranking: Ranking = ()
        while True:
            if not counts[0] and not ranking:
                ranking = self._rank(best.tried.recipe)
            self._bisect(best.tried.recipe, ranking, counts)
            least = min((count for count, enough in counts.items() if enough), default=0)
            candidates = self._export(_keep(best.tried.recipe, ranking, least))
            kept = {each.recipe: each.loss.within for each in candidates if each.recipe is not _FP32}
            tried = {count: _keep(best.tried.recipe, ranking, count) for count in counts if counts[count]}
            wrong = [count for count, recipe in tried.items() if not kept.get(recipe, self._may_be(recipe))]
            if not wrong or not self._budget.lasts():
                return Found(candidates, list(self._trials.values()))
            counts |= dict.fromkeys(wrong, False)

    def _choose_globally(self) -> Simulated:
        """The best recipe for all layers; more are tried only while none keeps the accuracy."""
        first = self._trials[self._start.name]
        if first.tried.refused is not None:
            raise ExportError(f"recipe {self._start.name!r} cannot be applied: {first.tried.refused}")
        if not first.loss.within:
            self._try([(recipe, ()) for recipe in list_corrections(self._start)])
        best = min(self._trials.values(), key=_badness)
        if not best.loss.within:
            self._try([(recipe, ()) for recipe in list_observers(best.tried.recipe)])
        return min(self._trials.values(), key=_badness)

    def _rank(self, recipe: Recipe) -> "Ranking":
        key = self._key("ranked", recipe)
        entry = self._journal.find(key)
        if not isinstance(entry, Ranked):
            if not self._budget.lasts():
                return ()
            self._announce(f"{recipe.name}: trying each layer alone and left out")
            entry = Ranked(key=key, layers=trial.rank_layers(self._spec, recipe))
            self._journal.add(entry)
        # One layer that multiplies stays quantized: a recipe of which nothing is left is refused.
        last = max((place for place, (_, share) in enumerate(entry.layers) if share), default=0)
        return entry.layers[:last] + entry.layers[last + 1 :]

    def _bisect(self, recipe: Recipe, ranking: "Ranking", counts: dict[int, bool]) -> None:
        """Find the least number of layers, worst first, that is enough to leave in FP32."""
        while wanted := next_counts(counts, len(ranking), _AHEAD):
            found = self._try([(recipe, ranking[:count]) for count in wanted])
            if len(found) < len(wanted):
                return
            counts |= {count: each.loss.within for count, each in zip(wanted, found, strict=True)}

    def _try(self, asked: "Sequence[tuple[Recipe, Ranking]]") -> list[Simulated]:
        """Simulate recipes with layers left out; those that the budget left no room for are not there."""
        recipes = [_keep(base, layers, len(layers)) for base, layers in asked]
        keys = [self._key("tried", recipe) for recipe in recipes]
        new = [place for place, key in enumerate(keys) if self._journal.find(key) is None]
        calls: list[Call] = [
            (trial.try_recipe, (self._spec, asked[place][0], tuple(layer for layer, _ in asked[place][1])))
            for place in new
        ]
        for index, answer in self._crew.run(calls, self._spend):
            self._ended += 1
            place = new[index]
            self._journal.add(
                Tried(
                    key=keys[place],
                    recipe=recipes[place],
                    metrics=answer.metrics,
                    closeness=answer.closeness,
                    refused=answer.refused,
                )
            )
            self._announce(self._describe(self._simulated(keys[place], asked[place][1])))
        found = [
            self._simulated(key, layers)
            for key, (_, layers) in zip(keys, asked, strict=True)
            if self._journal.find(key) is not None
        ]
        self._trials |= {each.tried.recipe.name: each for each in found}
        return found

    def _simulated(self, key: str, layers: "Ranking") -> Simulated:
        tried = self._journal.find(key)
        assert isinstance(tried, Tried)  # noqa: S101 - the key says what it is of
        loss = self._drop.judge_worst(self._eager, tried.metrics)
        assert loss is not None  # noqa: S101 - the eager model has metrics
        return Simulated(tried, loss, sum(share for _, share in layers))

    def _describe(self, each: Simulated) -> str:
        name = f"trial {self._ended}: {each.tried.recipe.name}"
        if each.tried.refused is not None:
            return f"{name}: cannot be applied: {each.tried.refused}"
        verdict = "within" if each.loss.within else "too much"
        return f"{name}: {_shown(each.tried.metrics)}, lost {each.loss.lost:.4g}: {verdict} (simulated)"

    def _spend(self) -> bool:
        """Whether another trial may begin; it counts. The first of all always may."""
        if self._trials and not self._budget.lasts():
            return False
        self._budget.made += 1
        return True

    def _front(self) -> list[Recipe]:
        """What no other trial beats in accuracy and in the share of the work that stays in FP32."""
        ordered = sorted(self._trials.values(), key=lambda each: -each.tried.sqnr_db)
        usable = [each for each in ordered if each.tried.refused is None]
        places = find_front([(each.loss.badness, each.share) for each in usable])
        return [usable[place].tried.recipe for place in places]

    def _export(self, best: Recipe) -> list[Candidate]:
        """FP32, the recipe to start with, the front and `best`, exported; what cannot be is left out.

        The budget does not hold them back: without an export a trial is of no use.
        """
        recipes = list({each.name: each for each in (_FP32, self._start, *self._front(), best)}.values())
        keys = {recipe.name: self._key("exported", recipe) for recipe in recipes}
        new = [recipe for recipe in recipes if not self._is_exported(keys[recipe.name])]
        calls: list[Call] = [
            (trial.export_recipe, (self._spec, recipe, self._out / ARTIFACTS, self._eager)) for recipe in new
        ]
        for index, (folder, refused) in self._crew.run(calls, lambda: True):
            recipe = new[index]
            name = None if folder is None else folder.name
            self._journal.add(Exported(key=keys[recipe.name], recipe=recipe, folder=name, refused=refused))
            self._announce(f"{recipe.name}: " + ("exported" if folder else f"not exported: {refused}"))
        found = []
        for recipe in recipes:
            artifact = self._artifact(keys[recipe.name])
            if artifact is not None:
                loss = self._drop.judge_worst(self._eager, artifact.info.accuracy.host)
                assert loss is not None  # noqa: S101 - the eager model has metrics
                found.append(Candidate(recipe, artifact, loss))
        if all(each.recipe is _FP32 for each in found):
            raise ExportError(f"no quantized recipe could be exported; {self._journal.path} says why")
        return found

    def _may_be(self, recipe: Recipe) -> bool:
        """Whether nothing speaks against a recipe that has no artifact: its export was not refused."""
        entry = self._journal.find(self._key("exported", recipe))
        return not isinstance(entry, Exported) or entry.refused is None

    def _is_exported(self, key: str) -> bool:
        """Whether nothing is left to do: it cannot be exported, or its artifact is there."""
        entry = self._journal.find(key)
        is_refused = isinstance(entry, Exported) and entry.refused is not None
        return is_refused or self._artifact(key) is not None

    def _artifact(self, key: str) -> Artifact | None:
        """The artifact of an export, if it still is in the search's folder as it was made."""
        entry = self._journal.find(key)
        if not isinstance(entry, Exported) or entry.folder is None:
            return None
        try:
            return load_artifact(self._out / ARTIFACTS / entry.folder)
        except ArtifactError:
            return None

    def _key(self, kind: str, recipe: Recipe) -> str:
        return key_of({"kind": kind, "recipe": msgspec.to_builtins(recipe), "workload": self._facts})


Ranking = tuple[tuple[Override, float], ...]


def _keep(recipe: Recipe, ranking: Ranking, count: int) -> Recipe:
    """`recipe` with the first `count` layers of `ranking` in FP32."""
    return leave_out(recipe, [layer for layer, _ in ranking[:count]]) if count else recipe


def _badness(each: Simulated) -> tuple[tuple[bool, float], float]:
    """Key that sorts the best first: what was lost, and of equal losses the greater SQNR."""
    return each.loss.badness, -each.tried.sqnr_db


def _shown(metrics: Metrics) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if isinstance(value, float))
