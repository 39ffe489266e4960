import itertools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile import TEXTS, make_hostile
from msgspec.structs import replace
from odd_runs import NO_ACCURACY, ODD, on_hardware, pair
from runs import SPEC, hide_memory, make_run

from edgeq.report.html.page import render_html, write_html
from edgeq.report.html.tradeoff import find_front
from edgeq.results.records import Accuracy, Missing, Series

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What a test asks of a page: its tags in order, its text, and whether the tags are balanced."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.texts, self.hidden = [], [], [], []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.hidden if self.open and self.open[-1] in ("style", "script") else self.texts).append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def check(source):
    """What holds for every page; returns it parsed."""
    page = Page(source)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(new <= old + 1 for old, new in itertools.pairwise(levels)), levels
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in page.all("svg"))
    references = re.findall(r'(?:href|clip-path)="(?:url\()?#([\w-]+)', source)
    assert set(references) <= set(ids)
    assert not [value for _, attrs in page.tags for key, value in attrs.items() if key.startswith("on")]
    assert not [
        link for link in re.findall(r'(?:src|href)="([^"]+)"', source) if ":" in link and link != "data:,"
    ]
    return page


def test_the_headline_has_the_verdict_in_numbers():
    text = check(render_html(pair())).text
    assert "digits on virt-pi5" in text
    assert "Against fp32, int8 on virt-pi5 (emulated) takes 50.0% fewer instructions per inference" in text
    assert "its program is 70.0% smaller" in text
    assert "top1 on the device is unchanged" in text
    assert "0.5x 202 insn → 101 insn, medians" in text


def test_how_sure_it_is_stands_beside_it():
    text = check(render_html(pair())).text
    assert "int8: 3 inferences, four fifths of them from 100.2 insn to 101.8 insn, all from 100 insn" in text
    assert "lie apart" in text
    overlapping = [make_run("fp32"), make_run("int8", latency=(201.0, 203.0))]
    assert "overlap: read the ratio with care" in check(render_html(overlapping)).text


def test_a_wall_clock_has_an_interval():
    base = on_hardware(make_run("fp32"), values=tuple(0.010 + 0.0001 * (index % 5) for index in range(60)))
    new = on_hardware(make_run("int8"), values=tuple(0.005 + 0.0001 * (index % 5) for index in range(60)))
    text = check(render_html([base, new])).text
    assert re.search(r"With \d+% confidence int8 takes 0\.5\d* to 0\.5\d* times the time of fp32", text)


def test_an_emulated_device_says_so_and_shows_no_time():
    source = render_html(pair())
    text = check(source).text
    assert "emulated, instruction clock" in text
    assert "one tick is one guest instruction" in text
    assert not re.search(r"\d (ms|us|ns|s)\b", text)
    assert "latency" not in text.lower().replace("latency, operators, outputs", "")


def test_hardware_is_not_called_emulated():
    text = check(render_html([on_hardware(make_run())])).text
    assert "5 ms" in text
    assert "emulated" not in text


def test_unlike_conditions_are_named():
    runs = [make_run("fp32"), make_run("int8", spec=replace(SPEC, threads=4))]
    assert "unlike conditions: threads 1 and 4" in check(render_html(runs)).text


def test_outputs_that_are_off_are_said():
    run = make_run("int8")
    off = replace(run, outputs=replace(run.outputs, within=False, sqnr_db=3.0))
    assert (
        "int8: its outputs ARE OFF from those of the same program on the host (SQNR 3.0 dB"
        in check(render_html([make_run(), off])).text
    )


def test_what_was_not_measured_says_why():
    runs = [hide_memory(run) for run in pair(artifact=replace(make_run().artifact, accuracy=NO_ACCURACY))]
    runs = [replace(run, operators=Missing(missing="no ETDump was asked for")) for run in runs]
    text = check(render_html(runs)).text
    assert "not measured: hidden by the kernel" in text
    assert "there is no accuracy of both to compare" in text
    assert "operators: not measured: no ETDump was asked for" in text
    assert "accuracy (device): not measured: no evaluate()" in text


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_make_a_sound_page(name):
    check(render_html(ODD[name]))


def test_a_failed_run_is_said_with_its_reason():
    text = check(render_html(ODD["one failed"])).text
    assert "int8 failed at run: InvalidProgram at load. Export it again." in text


def test_power_is_drawn_only_when_it_was_sampled():
    assert "Power" not in check(render_html(pair())).text
    run = on_hardware(make_run())
    watts = Series(
        name="power", unit="W", phase="sampled", values=(2.0, 3.5, 3.4), times=(0.0, 0.5, 1.0), source="hwmon"
    )
    page = check(render_html([replace(run, series=(*run.series, watts))]))
    assert any("hwmon: 2 W to 3.500 W, 3 samples" in attrs["aria-label"] for attrs in page.all("svg"))


def test_times_and_counts_share_no_scale():
    page = check(render_html(ODD["two devices"]))
    labels = [attrs["aria-label"] for attrs in page.all("svg")]
    assert any(
        label.startswith("Instructions per inference (emulated") and "ms" not in label for label in labels
    )
    assert any(label.startswith("Latency per inference") and "insn" not in label for label in labels)


def test_accuracy_that_is_a_cost_is_best_below():
    def with_loss(recipe, loss):
        ladder = {key: {"loss": loss} for key in ("eager", "converted", "host", "device")}
        return make_run(recipe, artifact=replace(make_run(recipe).artifact, accuracy=Accuracy(**ladder)))

    assert "Best is lower left" in check(render_html([with_loss("fp32", 0.1), with_loss("int8", 0.2)])).text
    assert "Best is upper left" in check(render_html(pair())).text


@pytest.mark.parametrize(
    ("points", "sign", "front"),
    [
        ([(1, 0.5), (2, 0.9), (3, 0.8), (2, 0.7)], 1, [(1, 0.5), (2, 0.9)]),
        ([(1, 0.5), (2, 0.9), (3, 0.2)], -1, [(1, 0.5), (3, 0.2)]),
        ([(2, 0.9), (1, 0.9)], 1, [(1, 0.9)]),
    ],
)
def test_the_front_is_what_no_other_beats_in_both(points, sign, front):
    assert find_front(points, sign) == front


@pytest.mark.parametrize("shift", range(len(TEXTS)))
def test_hostile_texts_are_shown_as_text(shift):
    page = check(render_html([make_hostile(shift), make_hostile(shift, recipe="int8")]))
    assert not page.all("script")
    assert not page.all("img")
    shown = re.sub("[\x00\x1b\u202e\u202c]", "\ufffd", TEXTS[shift])
    assert " ".join(shown.split()) in page.text
    assert "49" not in re.findall(r"abc\S* (\d+)", page.text)


SCRIPT = """
import sys
from pathlib import Path
from odd_runs import pair
from edgeq.report.html.page import write_html
write_html(Path(sys.argv[1]), pair())
"""


def test_the_same_runs_give_the_same_bytes_in_another_process(tmp_path):
    write_html(tmp_path / "here.html", pair())
    subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "there.html"],
        check=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
        },
    )
    assert (tmp_path / "here.html").read_bytes() == (tmp_path / "there.html").read_bytes()


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one run"):
        write_html(tmp_path / "page.html", [])
    assert list(tmp_path.iterdir()) == []


def test_one_spike_among_many_values_does_not_hide_a_difference():
    base, new = make_run(), make_run("int8", latency=(100.0,) * 50 + (205.0,))
    assert "lie apart" in check(render_html([base, new])).text
