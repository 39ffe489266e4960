"""The store: what goes in comes out, is found, and is never taken for something else."""

import json
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from runs import DEVICE, make_run

from edgeq.errors import InputError, StoreError
from edgeq.results.database import MIGRATIONS, VERSION
from edgeq.results.records import Failure, decode_report, encode_report
from edgeq.results.store import Store, default_store_path

FIXTURES = Path(__file__).parents[1] / "fixtures"
HOSTILE = [
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "'; DROP TABLE runs; --",
    "🙂",
    "x" * 300,
    "nul\0",
    "%_*?[",
]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "folder" / "runs.sqlite") as store:
        yield store


def numbered(number, **changes):
    minutes, seconds = divmod(number, 60)
    created = f"2026-11-23T12:{minutes:02}:{seconds:02}+00:00"
    return make_run(**{"id": f"{number:032x}", "created": created, **changes})


def ids(runs):
    return [int(run.id, 16) for run in runs]


def test_a_run_comes_out_as_it_went_in(store):
    run = numbered(1)
    assert store.add(run) is True
    assert store.get(run.id) == run
    assert list(store.find()) == [run]
    assert store.latest() == run


def test_a_run_is_there_for_the_next_process(tmp_path):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        store.add(numbered(1))
    with Store(path) as store:
        assert ids(store.find()) == [1]
    assert [file.name for file in tmp_path.iterdir()] == ["runs.sqlite"]


def test_closing_twice_is_fine_and_the_next_use_opens_again(store):
    store.add(numbered(1))
    store.close()
    store.close()
    assert ids(store.find()) == [1]


def test_adding_the_same_run_again_changes_nothing(store):
    run = numbered(1)
    store.add(run)
    assert store.add(run) is False
    assert list(store.find()) == [run]


def test_another_content_under_the_same_id_is_refused(store):
    run = numbered(1)
    store.add(run)
    with pytest.raises(StoreError, match="another content"):
        store.add(replace(run, status="failed"))
    assert store.get(run.id) == run


def test_a_failed_run_without_a_device_is_kept(store):
    error = Failure(stage="connect", kind="DeviceUnreachable", message="no answer")
    run = numbered(1, status="failed", error=error, device=None, series=(), memory=None, outputs=None)
    store.add(run)
    assert store.get(run.id) == run
    assert [entry.device for entry in store.entries(status="failed")] == [None]
    assert list(store.find(status="ok")) == []


def test_a_number_that_json_cannot_hold_is_refused(store):
    with pytest.raises(StoreError, match="null") as caught:
        store.add(make_run(latency=(1.0, float("nan"))))
    assert "nan" in caught.value.hint


def test_a_run_without_a_time_is_refused(store):
    for created in ("yesterday", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(StoreError, match="not a time"):
            store.add(numbered(1, created=created))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:8].encode("unicode_escape").decode())
def test_any_text_is_kept_and_found(store, text):
    run = numbered(1, name=text, recipe=text)
    run = replace(run, id=text, device=replace(DEVICE, profile=text))
    store.add(run, {"branch": text})
    store.add(numbered(2))
    assert store.get(text) == run
    assert store.labels(text) == {"branch": text}
    assert list(store.find(artifact=text, recipe=text, device=text, branch=text)) == [run]


def test_runs_are_found_by_what_they_are(store):
    store.add(numbered(1, recipe="fp32"), {"branch": "main"})
    store.add(numbered(2, recipe="int8"), {"branch": "main", "commit": "c1"})
    store.add(numbered(3, recipe="int8", device=replace(DEVICE, profile="virt-pi4")))
    store.add(numbered(4, name="mobilenet", status="failed"), {"branch": "topic"})
    assert ids(store.find()) == [4, 3, 2, 1]
    assert ids(store.find(limit=2)) == [4, 3]
    assert ids(store.find(artifact="digits")) == [3, 2, 1]
    assert ids(store.find(artifact="digits", recipe="int8")) == [3, 2]
    assert ids(store.find(device="virt-pi4")) == [3]
    assert ids(store.find(status="failed")) == [4]
    assert ids(store.find(branch="main")) == [2, 1]
    assert ids(store.find(commit="c1")) == [2]
    assert ids(store.find(since=datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC))) == [4, 3]
    assert ids(store.find(artifact=None, branch=None, recipe="fp32")) == [4, 1]
    assert store.latest(branch="main", recipe="int8") == store.get(f"{2:032x}")
    assert store.latest(branch="none") is None


def test_time_zones_do_not_change_the_order(store):
    for number, created in enumerate(
        (
            "2026-11-23T12:00:00+02:00",
            "2026-11-23T11:00:00Z",
            "2026-11-23T10:30:00",
            "2026-11-23T10:15:00.5+00:00",
        )
    ):
        store.add(numbered(number, created=created))
    assert ids(store.find()) == [1, 2, 3, 0]


def test_of_runs_of_one_moment_the_one_stored_last_is_the_newest(store):
    for number in (7, 3, 5):
        store.add(numbered(number, created="2026-11-23T12:00:00+00:00"))
    assert ids(store.find()) == [5, 3, 7]


def test_runs_added_while_others_are_read_are_not_seen(store):
    for number in range(3):
        store.add(numbered(number))
    seen = []
    for run in store.find():
        seen.append(run)
        store.add(numbered(10 + len(seen)))
    assert ids(seen) == [2, 1, 0]
    assert len(list(store.find())) == 6


def test_entries_tell_what_the_runs_say(store):
    run = numbered(1, latency=(3.0, 1.0, 2.0, 8.0))
    store.add(run)
    (entry,) = store.entries(artifact="digits")
    assert entry.id == run.id
    assert entry.created == "2026-11-23T12:00:01.000000+00:00"
    assert (entry.artifact, entry.recipe, entry.device) == ("digits", "fp32", "virt-pi5")
    assert (entry.latency, entry.unit) == (2.5, "insn")


def test_the_beginning_of_an_id_is_enough_while_it_is_the_only_one(store):
    for run_id in ("abc1", "abd2", "ab"):
        store.add(numbered(1, id=run_id))
    assert store.get("abc").id == "abc1"
    assert store.get("ab").id == "ab"
    with pytest.raises(InputError, match="several runs") as caught:
        store.get("a")
    assert "abc1" in caught.value.message
    with pytest.raises(InputError, match="no run 'abx'"):
        store.get("abx")


def test_labels_are_the_stores_and_can_be_set_anew(store):
    run = numbered(1)
    store.add(run, {"branch": "topic", "commit": "c1"})
    store.add(run, {"branch": "main"})
    assert store.labels(run.id) == {"branch": "main", "commit": "c1"}
    assert b"topic" not in store.document(run.id)


def test_a_report_comes_back_byte_for_byte(store):
    document = encode_report([numbered(number) for number in range(3)])
    assert store.import_report(document) == (3, 3)
    assert store.import_report(document) == (3, 0)
    assert store.export() == document


def test_export_takes_the_named_runs_in_their_order(store):
    store.import_report(encode_report([numbered(number, id=f"{number}x") for number in range(3)]))
    assert [run.id for run in decode_report(store.export(["2", "0x"])).runs] == ["2x", "0x"]


def test_keys_of_a_later_edgeq_are_not_lost(store):
    report = json.loads(encode_report([numbered(1)]))
    report["runs"][0]["smell"] = {"value": 1.50, "unit": "1"}
    report["runs"][0]["artifact"]["colour"] = "red"
    store.import_report(json.dumps(report).encode())
    assert json.loads(store.export()) == report
    # This edgeq, which does not know them, may hand the run on and meet it again.
    assert store.add(store.get(f"{1:032x}")) is False
    assert json.loads(store.export()) == report


def test_a_report_is_imported_whole_or_not_at_all(store):
    store.add(numbered(1))
    edited = replace(numbered(1), status="failed")
    with pytest.raises(StoreError, match="another content"):
        store.import_report(encode_report([numbered(2), edited]))
    broken = json.loads(encode_report([numbered(3), numbered(4)]))
    broken["runs"][1]["artifact"]["name"] = 4
    with pytest.raises(StoreError, match=r"run 2 .*artifact\.name"):
        store.import_report(json.dumps(broken).encode())
    assert ids(store.find()) == [1]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"schema": 1}', b"\xff", b'{"schema": "1", "runs": []}']
)
def test_what_is_no_report_is_refused(store, data):
    with pytest.raises(InputError, match="not a report of schema 1"):
        store.import_report(data)
    assert not store.path.exists()


def test_documents_of_a_later_schema_are_refused(store):
    report = json.loads(encode_report([numbered(1)]))
    for changed in ({**report, "schema": 2}, {**report, "runs": [{**report["runs"][0], "schema": 2}]}):
        with pytest.raises(InputError, match="schema 2; this edgeq reads schemas up to 1"):
            store.import_report(json.dumps(changed).encode())


def test_reading_a_store_that_is_not_there_makes_none(store):
    with pytest.raises(StoreError, match="there is no store"):
        list(store.find())
    assert not store.path.parent.exists()


def test_threads_may_share_a_store(store):
    def fill(first):
        for number in range(first, first + 20):
            store.add(numbered(number))

    threads = [threading.Thread(target=fill, args=(first,)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids(store.find()) == [*range(59, -1, -1)]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_store_of_every_version_is_read_and_brought_up_to_date(tmp_path, version):
    path = tmp_path / "runs.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript((FIXTURES / f"store_v{version}.sql").read_text())
    assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    connection.close()
    with Store(path) as store:
        assert [run.artifact.recipe for run in store.find(device="virt-pi5")] == ["int8", "fp32"]
        assert store.entries()[0].latency == 125136.0
        labels = {"branch": "main", "commit": "3f2a91c"} if version >= 2 else {}
        assert store.labels("6a5a") == labels
        store.add(store.get("6a5a"), {"branch": "topic"})
        assert store.latest(branch="topic").id.startswith("6a5a")
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert _schema(connection) == _schema_of_a_new_store(tmp_path)
    connection.close()


def _schema(connection):
    return set(connection.execute("SELECT type, name, sql FROM sqlite_schema"))


def _schema_of_a_new_store(tmp_path):
    with Store(tmp_path / "new.sqlite") as store:
        store.import_report(encode_report([]))
    connection = sqlite3.connect(tmp_path / "new.sqlite")
    schema = _schema(connection)
    connection.close()
    return schema


def test_every_version_has_a_recorded_fixture():
    recorded = {path.name for path in FIXTURES.glob("store_v*.sql")}
    assert recorded == {f"store_v{version}.sql" for version in range(1, len(MIGRATIONS) + 1)}


def test_the_default_store_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("EDGEQ_STORE", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_store_path() == tmp_path / ".local/share/edgeq/runs.sqlite"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_store_path() == tmp_path / "data/edgeq/runs.sqlite"
    monkeypatch.setenv("EDGEQ_STORE", "~/mine.sqlite")
    assert default_store_path() == tmp_path / "mine.sqlite"


def test_documents_are_stored_without_white_space(store):
    run = numbered(1)
    store.import_report(encode_report([run]))
    assert store.document(run.id) == msgspec.json.encode(run)
