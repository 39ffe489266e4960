"""The stages of a search, with trials and exports whose outcome is written down."""

import hashlib
import json

from edgeq.artifact import MANIFEST
from edgeq.compile.recipe import Override, find_recipe
from edgeq.compile.search import trial
from edgeq.compile.search.budget import Budget
from edgeq.compile.search.host import HostSearch
from edgeq.compile.search.journal import JOURNAL, Journal
from edgeq.compile.search.processes import Crew
from edgeq.results.drop import parse_drop
from edgeq.results.records import Closeness

LAYERS = tuple((Override(module=f"layer{n}", precision="fp32"), 0.1) for n in range(6))


class Script:
    """Simulated and exported top-1 by the number of layers that are left in FP32."""

    def __init__(self, simulated, exported):
        self.simulated, self.exported = simulated, exported
        self.exports = []

    def try_recipe(self, _spec, _base, layers):
        top1 = self.simulated(len(layers))
        return trial.Answer({"top1": top1}, Closeness(samples=2, sqnr_db=100 * top1))

    def judge_program(self, recipe):
        return {"top1": self.exported(len(recipe.overrides)) if recipe.is_quantized else 1.0}

    def export_recipe(self, _spec, recipe, out, _eager):
        self.exports.append(recipe.name)
        folder = out / recipe.name
        folder.mkdir(parents=True, exist_ok=True)
        metrics = self.judge_program(recipe)
        rungs = dict.fromkeys(("eager", "converted", "host", "device"), metrics)
        (folder / "model.pte").write_bytes(recipe.name.encode())
        manifest = {
            "schema": 1, "name": "net", "workload": "net.py", "recipe": {"name": recipe.name},
            "versions": {}, "program_sha256": hashlib.sha256(recipe.name.encode()).hexdigest(),
            "program_bytes": len(recipe.name), "weights_sha256": "", "inputs": [], "outputs": [],
            "reference_samples": 0, "reference_sha256": {}, "calibration": None, "layers": [],
            "delegation": {"delegated": 1, "total": 1}, "accuracy": rungs,
        }  # fmt: skip
        (folder / MANIFEST).write_text(json.dumps(manifest))
        return folder, None


class TwoMetrics(Script):
    """The recipe to start with loses too much of one metric, the equalized one of the other what is allowed.

    As a share, what is too much is 0.5 %, and what is not is 2 %.
    """

    FP32 = {"miou": 0.5, "rmse": 10.0}  # noqa: RUF012 - not changed

    def __init__(self):
        super().__init__(None, None)

    def try_recipe(self, _spec, base, _layers):
        return trial.Answer(self.judge_program(base), Closeness(samples=2, sqnr_db=30))

    def judge_program(self, recipe):
        if not recipe.is_quantized:
            return self.FP32
        return {"miou": 0.4902, "rmse": 10.0} if recipe.equalize else {"miou": 0.5, "rmse": 10.05}


def search(monkeypatch, folder, script, eager=None, drop="0.05"):
    monkeypatch.setattr(trial, "describe_workload", lambda *_: {})
    monkeypatch.setattr(trial, "evaluate_eager", lambda _: eager or {"top1": 1.0})
    monkeypatch.setattr(
        trial, "rank_layers", lambda *_: (*LAYERS, (Override(module="last", precision="fp32"), 0.4))
    )
    monkeypatch.setattr(trial, "try_recipe", script.try_recipe)
    monkeypatch.setattr(trial, "export_recipe", script.export_recipe)
    with Journal(folder / JOURNAL) as journal, Crew(1) as crew:
        start = find_recipe("int8-dynamic")
        return HostSearch(
            "net.py", start, parse_drop(drop), folder, journal=journal, crew=crew, budget=Budget()
        ).run()


def kept(found):
    return [each.recipe.name for each in found.candidates if each.loss.within and each.recipe.is_quantized]


def test_a_recipe_that_keeps_the_accuracy_ends_the_search_at_once(monkeypatch, tmp_path):
    found = search(monkeypatch, tmp_path, Script(lambda _: 0.99, lambda _: 0.99))
    assert [each.tried.recipe.name for each in found.trials] == ["int8-dynamic"]
    assert kept(found) == ["int8-dynamic"]


def test_the_fewest_layers_that_are_enough_are_left_out(monkeypatch, tmp_path):
    def accuracy(layers):
        return 0.9 + 0.02 * layers

    found = search(monkeypatch, tmp_path, Script(accuracy, accuracy))
    assert min(kept(found)) == "int8-dynamic-fp32x3"


def test_a_count_that_is_enough_only_in_simulation_sends_the_search_back(monkeypatch, tmp_path):
    script = Script(lambda layers: 0.9 + 0.02 * layers, lambda layers: 0.86 + 0.02 * layers)
    found = search(monkeypatch, tmp_path, script)
    assert min(kept(found)) == "int8-dynamic-fp32x5"


def test_a_recipe_that_is_enough_only_in_simulation_sends_the_search_to_its_layers(monkeypatch, tmp_path):
    script = Script(lambda _: 0.99, lambda layers: 0.99 if layers >= 2 else 0.9)
    assert kept(search(monkeypatch, tmp_path, script)) == ["int8-dynamic-fp32x2"]


def test_the_least_count_is_exported_when_another_trial_beats_it(monkeypatch, tmp_path):
    # With all in simulation alike from two layers on, the .pte needs five.
    script = Script(lambda layers: 0.99 if layers >= 2 else 0.9, lambda layers: 0.99 if layers >= 5 else 0.9)
    found = search(monkeypatch, tmp_path, script)
    assert kept(found) == ["int8-dynamic-fp32x5"]
    assert "int8-dynamic-fp32x2" in script.exports


def test_a_search_that_finds_none_ends(monkeypatch, tmp_path):
    script = Script(lambda _: 0.5, lambda _: 0.5)
    assert kept(search(monkeypatch, tmp_path, script)) == []
    assert len(script.exports) == len(set(script.exports))


def test_trials_of_another_evaluation_are_not_taken_from_the_journal(monkeypatch, tmp_path):
    search(monkeypatch, tmp_path, Script(lambda _: 0.99, lambda _: 0.99))
    other = Script(lambda _: 0.5, lambda _: 0.5)
    found = search(monkeypatch, tmp_path, other, {"top1": 0.51})
    assert [each.tried.metrics for each in found.trials] == [{"top1": 0.5}]


def test_what_is_within_an_absolute_drop_comes_before_a_lesser_share_that_is_not(monkeypatch, tmp_path):
    found = search(monkeypatch, tmp_path, TwoMetrics(), TwoMetrics.FP32, "0.01")
    assert kept(found) == ["int8-dynamic-equalized"]
    assert not any("fp32x" in each.tried.recipe.name for each in found.trials)
