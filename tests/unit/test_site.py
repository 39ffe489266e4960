import json
import os
import re
import subprocess
import sys

import pytest
from hostile import TEXTS, make_hostile
from msgspec.structs import replace
from odd_runs import ODD, pair
from runs import make_run
from test_html import check

import edgeq.report.html.site as site
from edgeq.errors import InputError
from edgeq.report.files import read_report
from edgeq.report.html.listing import file_name
from edgeq.report.html.site import write_site
from edgeq.results.records import encode_report
from edgeq.results.store import Store


def dated(run, day, **changes):
    return replace(run, id=f"{day:032x}", created=f"2026-11-{day:02d}T12:00:00+00:00", **changes)


def read_pages(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.html")}


def broken_links(folder):
    return [
        f"{page}: {link}"
        for page, source in read_pages(folder).items()
        for link in re.findall(r'href="([^"#]+)', source)
        if (
            link != "data:,"
            and not (folder / page).parent.joinpath(link).resolve().is_relative_to(folder.resolve())
        )
        or (link != "data:," and not (folder / page).parent.joinpath(link).is_file())
    ]


def test_every_page_is_sound_and_every_link_leads_somewhere(tmp_path):
    runs = [run for each in ODD.values() for run in each]
    count = write_site(tmp_path / "site", runs)
    pages = read_pages(tmp_path / "site")
    assert count == len(pages)
    for source in pages.values():
        check(source)
    assert broken_links(tmp_path / "site") == []


def test_hostile_texts_make_safe_file_names_and_are_shown_as_text(tmp_path):
    runs = [make_hostile(shift) for shift in range(len(TEXTS))]
    write_site(tmp_path / "site", runs)
    assert {path.name for path in tmp_path.iterdir()} == {"site"}
    names = [path.name for path in (tmp_path / "site").rglob("*") if path.name != ".edgeq-site"]
    assert [name for name in names if not re.fullmatch(r"[a-z0-9-]{1,90}(\.html|\.json)?", name)] == []
    for source in read_pages(tmp_path / "site").values():
        assert len(check(source).all("script")) == 1
    assert broken_links(tmp_path / "site") == []


def test_names_that_look_alike_have_their_own_files():
    names = ["a b", "a-b", "A-B", "a/b", "a" * 300, "a" * 301, "", "\U0001f600"]
    assert len({file_name(name) for name in names}) == len(names)
    assert file_name("a", "b") != file_name("a\0b") or file_name("ab", "") != file_name("a", "b")


def test_equal_runs_count_once_and_other_content_under_one_id_has_its_own_page(tmp_path):
    write_site(tmp_path / "site", [make_run(), make_run(), make_run("int8")])
    assert len(list((tmp_path / "site" / "runs").glob("*.html"))) == 2


def test_a_run_page_leads_to_the_whole_document(tmp_path):
    write_site(tmp_path / "site", [make_run()])
    (document,) = (tmp_path / "site" / "runs").glob("*.json")
    assert read_report(document).runs == (make_run(),)


def test_history_tells_where_a_new_level_begins(tmp_path):
    slow = (210.0, 212.0, 214.0)
    runs = [dated(make_run(latency=slow if day > 5 else (200.0, 202.0, 204.0)), day) for day in range(1, 10)]
    write_site(tmp_path / "site", runs)
    (page,) = (tmp_path / "site" / "comparisons").glob("*.html")
    text = check(page.read_text()).text
    assert "fp32: from 202 insn to 212 insn with the run of 2026-11-06 12:00:00." in text


def test_the_newest_run_of_a_recipe_counts_and_one_that_failed_does_not(tmp_path):
    fast, slow = make_run("int8", latency=(50.0,)), make_run("int8", latency=(101.0,))
    runs = [
        make_run(),
        dated(slow, 1),
        dated(fast, 2),
        dated(make_run("int8", status="failed", series=()), 3),
    ]
    write_site(tmp_path / "site", runs)
    text = check((tmp_path / "site" / "index.html").read_text()).text
    assert "int8 / fp32 0.248x (emulated)" in text
    assert "4 runs, 1 of them failed" in text


def test_labels_of_the_store_are_shown(tmp_path):
    write_site(tmp_path / "site", [make_run()], {make_run().id: {"branch": "main", "commit": "3f2a91c" * 5}})
    text = check((tmp_path / "site" / "runs.html").read_text()).text
    assert "main 3f2a91c3f2 " in text


def test_a_site_is_replaced_by_a_new_one(tmp_path):
    write_site(tmp_path / "site", [make_run(name="old")])
    write_site(tmp_path / "site", [make_run(name="new")])
    assert "old" not in "".join(path.name for path in (tmp_path / "site" / "artifacts").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not a site"):
        write_site(tmp_path, [make_run()])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="no folder"):
        write_site(tmp_path / "thesis.txt", [make_run()])


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "site").mkdir()
    write_site(tmp_path / "site", [make_run()])
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.parametrize("there_was_one", [False, True])
def test_a_site_that_cannot_be_finished_leaves_what_was_there(tmp_path, monkeypatch, there_was_one):
    if there_was_one:
        write_site(tmp_path / "site", [make_run(name="old")])
    before = read_pages(tmp_path)

    def fail(run):
        raise OSError("no space left")

    monkeypatch.setattr(site, "encode_report", fail)
    with pytest.raises(OSError, match="no space"):
        write_site(tmp_path / "site", pair())
    assert read_pages(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == there_was_one


def edgeq(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "edgeq", "report", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_the_command_makes_a_site_of_the_whole_store(tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        store.import_report(encode_report([make_run()]), {"branch": "main"})
    answer = edgeq("--format", "site", "--out", tmp_path / "site", EDGEQ_STORE=str(tmp_path / "runs.sqlite"))
    assert answer.returncode == 0, answer
    assert "pages of 1 runs" in answer.stdout
    assert "main" in check((tmp_path / "site" / "runs.html").read_text()).text


def test_the_command_writes_each_format(tmp_path):
    report = tmp_path / "report.json"
    report.write_bytes(encode_report(pair()))
    for form, begin in (("csv", "run,artifact,"), ("html", "<!doctype html>"), ("text", "Device")):
        assert edgeq(report, "--format", form).stdout.lstrip().startswith(begin)
    assert json.loads(edgeq("--format", "schema").stdout)["$defs"]["Run"]
    assert edgeq(report, "--format", "html", "--out", tmp_path / "page.html").stdout == ""
    check((tmp_path / "page.html").read_text())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--format", "html"), "no reports given"),
        (("--format", "site"), "--out DIR"),
        (("--format", "site", "--out", "/etc"), "not a site"),
    ],
)
def test_what_is_missing_is_named(arguments, word):
    answer = edgeq(*arguments)
    assert answer.returncode == 2
    assert word in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_report_without_runs_is_refused(tmp_path):
    (tmp_path / "report.json").write_bytes(encode_report([]))
    assert edgeq(tmp_path, "--format", "html").returncode == 2
    assert edgeq(tmp_path, "--format", "site", "--out", tmp_path / "site").returncode == 2
