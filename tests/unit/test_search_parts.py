"""The parts of a search that need no torch: counts, candidates, the journal, the recipe that it writes."""

import msgspec
import pytest

from edgeq.compile.diagnosis.bisection import next_counts
from edgeq.compile.recipe import RECIPES, MinMax, Override, Percentile, extend_recipe, find_recipe
from edgeq.compile.recipe_file import load_recipe
from edgeq.compile.recipe_text import encode_recipe
from edgeq.compile.search.budget import Budget
from edgeq.compile.search.candidates import (
    leave_out,
    list_corrections,
    list_observers,
    require_searchable,
)
from edgeq.compile.search.journal import JOURNAL, Journal, Ranked, Tried
from edgeq.errors import InputError, RecipeError
from edgeq.results.records import Closeness

INT8 = find_recipe("int8")


@pytest.mark.parametrize("ahead", [1, 2, 3])
@pytest.mark.parametrize("total", [1, 2, 7, 40])
def test_the_least_count_that_is_enough_is_found_in_few_trials(total, ahead):
    for enough in range(1, total + 2):
        known = {}
        while wanted := next_counts(known, total, ahead):
            assert len(wanted) <= ahead
            assert not set(wanted) & set(known)
            assert all(1 <= count <= total for count in wanted)
            known |= {count: count >= enough for count in wanted}
        found = min((count for count, is_enough in known.items() if is_enough), default=None)
        assert found == (enough if enough <= total else None)
        assert len(known) <= 12


def test_without_layers_there_is_no_count_to_try():
    assert next_counts({}, 0) == []


def test_corrections_and_observers_are_those_that_a_recipe_has_not():
    names = [recipe.name for recipe in list_corrections(INT8)]
    assert names == ["int8-equalized", "int8-corrected", "int8-equalized-corrected"]
    assert [recipe.name for recipe in list_corrections(find_recipe("int8-dynamic"))] == [
        "int8-dynamic-equalized"
    ]
    assert {recipe.observer for recipe in list_observers(INT8)} >= {MinMax(), Percentile()}
    assert INT8.observer not in {recipe.observer for recipe in list_observers(INT8)}
    assert list_observers(find_recipe("int8-dynamic")) == []


@pytest.mark.parametrize("name", ["fp32", "int8-qat", "int4-weight"])
def test_a_recipe_that_cannot_be_simulated_is_no_start(name):
    with pytest.raises(RecipeError, match="start"):
        require_searchable(find_recipe(name))


def test_a_budget_ends_by_trials_and_by_time():
    budget = Budget(trials=2)
    assert budget.lasts()
    budget.made = 2
    assert not budget.lasts()
    assert not Budget(seconds=0).lasts()
    assert str(budget) == "2 new trials at most"


LAYERS = [Override(module="blocks.0", precision="fp32"), Override(operator="add", precision="fp32")]


@pytest.mark.parametrize(
    "recipe",
    [
        *RECIPES.values(),
        leave_out(list_corrections(INT8)[2], LAYERS),
        extend_recipe("int8-per-tensor", name="own", observer=Percentile(percentile=99.5), rewrites=()),
    ],
    ids=lambda recipe: recipe.name,
)
def test_a_written_recipe_is_read_back_as_it_was(tmp_path, recipe):
    file = tmp_path / "best.toml"
    file.write_bytes(encode_recipe(recipe))
    assert load_recipe(str(file)) == recipe


TRIED = Tried(key="a", recipe=INT8, metrics={"top1": 1.0}, closeness=Closeness(samples=2, sqnr_db=20.5))
RANKED = Ranked(key="b", layers=((LAYERS[0], 0.25),))


def write_journal(folder):
    with Journal(folder / JOURNAL) as journal:
        journal.add(TRIED)
        journal.add(RANKED)
    return folder / JOURNAL


def test_a_journal_gives_back_what_was_kept(tmp_path):
    with Journal(write_journal(tmp_path)) as journal:
        assert (journal.find("a"), journal.find("b"), journal.find("c")) == (TRIED, RANKED, None)


def test_a_line_that_a_kill_tore_is_dropped_and_the_next_one_stands_alone(tmp_path):
    path = write_journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with Journal(path) as journal:
        assert (journal.find("a"), journal.find("b")) == (TRIED, None)
        journal.add(RANKED)
    with Journal(path) as journal:
        assert journal.find("b") == RANKED


def test_a_folder_has_one_search_at_a_time(tmp_path):
    path = write_journal(tmp_path)
    with Journal(path), pytest.raises(InputError, match="another search"), Journal(path):
        pass


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda lines: [lines[0], b"{", lines[2]], "line 2"),
        (lambda lines: lines[1:], "line 1"),
        (lambda lines: [msgspec.json.encode({"type": "head", "schema": 9}), *lines[1:]], "schema 9"),
    ],
)
def test_a_damaged_journal_is_refused_by_its_line(tmp_path, spoil, reason):
    path = write_journal(tmp_path)
    path.write_bytes(b"\n".join(spoil(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(InputError, match=reason), Journal(path):
        pass
