"""Rounds and spread as people read them: text, pages, the comparison."""

import re

import numpy as np
from odd_runs import on_hardware
from runs import make_run
from test_paired import paired_run, rounds_of

from edgeq.report.csv import render_csv
from edgeq.report.distribution import distribution_sections
from edgeq.report.html.figures import _pick_evenly, _pick_extremes
from edgeq.report.html.page import render_html
from edgeq.report.paired import paired_sections
from edgeq.report.sections import report_sections
from edgeq.report.text import render_text
from edgeq.results.records import Pairing, Series


def words_of(runs):
    return " ".join(render_text(report_sections(runs)).split())


def pair(factor, noise=0.01):
    base = paired_run(rounds_of(0.004, 1, noise=noise), 0)
    return [base, paired_run(rounds_of(0.004 * factor, 2, noise=noise), 1, "int8")]


def counted(recipe, place, counts):
    series = Series(name="latency", unit="insn", phase="measured", values=counts, source="test")
    rounds = tuple(range(len(counts)))
    return make_run(recipe, series=(series,), pairing=Pairing(id="c", seed=3, place=place, rounds=rounds))


def test_the_answer_comes_with_ratio_interval_rounds_and_seed():
    text = words_of(pair(0.5))
    told = r"digits.int8 is faster than digits.fp32: it takes 0.\d+x the time \(0.4\d+ to 0.5\d+, with 99%"
    assert re.search(told, text)
    assert "drawn from seed 7" in text
    assert "20 100 and 100" in text


def test_no_difference_says_what_would_have_been_seen():
    text = words_of(pair(1.0))
    assert "No difference between digits.int8 and digits.fp32 was seen" in text
    assert "would have been seen 80% of the time" in text


def test_too_few_rounds_say_how_many_it_takes():
    runs = [paired_run(rounds_of(1.0, n, 4), n, recipe) for n, recipe in enumerate(("fp32", "int8"))]
    assert "cannot be told: 4 rounds cannot tell; it takes 10" in words_of(runs)


def test_counts_are_called_counts():
    runs = [counted("fp32", 0, (1000.0,) * 3), counted("int8", 1, (400.0,) * 3)]
    (section,) = paired_sections(runs)
    text = " ".join(render_text([section]).split())
    assert "digits.int8 takes fewer instructions than digits.fp32: 0.4x as many" in text
    assert "time" not in text
    assert "confidence" not in text


def test_one_artifact_twice_is_told_apart_by_number():
    runs = [paired_run(rounds_of(1.0, n), n) for n in (0, 1)]
    assert "digits.fp32 #2 and digits.fp32 #1 was seen" in words_of(runs)


def test_a_base_or_a_rival_alone_makes_no_section():
    runs = pair(0.5)
    assert paired_sections(runs[:1]) == paired_sections(runs[1:]) == []
    assert paired_sections([make_run(), make_run("int8")]) == []


def test_the_page_has_the_answer_and_how_sure_it_is():
    page = render_html(pair(0.5))
    assert "Beside digits.fp32, in rounds" in page
    assert "int8 is faster than fp32: it takes 0." in page
    assert "how latency is spread" in page


def test_spread_is_told_of_times_and_not_of_counts():
    assert distribution_sections([make_run()]) == []
    few = on_hardware(make_run(), values=(0.004, 0.005, 0.006))
    many = on_hardware(
        make_run("int8"), values=tuple(value for each in rounds_of(0.004, 1, 80) for value in each)
    )
    (section,) = distribution_sections([few, many])
    assert section.rows[0][1:7] == ("3", "5 ms", "needs 50 values", "5.800 ms", "needs 299 values", "1 ms")
    assert " to " in section.rows[1][3]
    assert "ms" in section.rows[1][5]


def test_an_unsteady_series_says_that_its_interval_spans_levels():
    run = on_hardware(make_run(), values=tuple([0.004] * 60 + [0.005] * 60))
    (section,) = distribution_sections([run])
    assert "unsteady" in section.rows[0][3]
    assert "spans the levels" in section.sentences[0]


def test_a_long_series_makes_no_heavy_page_and_its_extremes_are_drawn():
    rng = np.random.default_rng(1)
    values = (0.004 * (1 + 0.01 * rng.standard_normal(60_000))).tolist()
    values[31_234] = 0.05
    places = _pick_extremes(values)
    assert 31_234 in places
    assert places == sorted(places)
    assert len(places) <= 1000
    assert _pick_evenly(60_000)[0] == 0
    assert _pick_evenly(60_000)[-1] == 59_999
    assert _pick_extremes([1.0, 2.0, 0.5]) == [0, 1, 2]
    assert len(render_html([on_hardware(make_run(), values=tuple(values))])) < 500_000


def test_csv_has_p99_only_where_there_are_enough_values():
    rows = render_csv([on_hardware(make_run(), values=(0.004,) * 300)]).splitlines()
    assert any("latency,p99,0.004,s,300" in row for row in rows)
    few = render_csv([on_hardware(make_run(), values=(0.004,))])
    assert "p99" not in few
    assert "mad" not in few
