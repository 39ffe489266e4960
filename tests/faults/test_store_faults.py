"""The store when things go wrong: killed writers, full disks, damaged and foreign files, others at work."""

import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest
from unit.runs import make_run

from edgeq.errors import StoreError
from edgeq.results import database, stats
from edgeq.results.records import encode_report
from edgeq.results.store import Store

FIXTURES = Path(__file__).parents[1] / "fixtures"
KILLS = 200
# Writers load it when they first write; here once for all, so that kills meet the store and not an import.
LOADED = stats
FORK = multiprocessing.get_context("fork")
# Large enough that a transaction takes many pages, and a kill finds it half done.
BIG = tuple(float(number) for number in range(20_000))


def new_run(*, big=False):
    return make_run(id=uuid.uuid4().hex, latency=BIG if big else (200.0, 202.0, 204.0))


def fill(path, count):
    with Store(path) as store:
        for _ in range(count):
            store.add(new_run())


def integrity(path):
    connection = sqlite3.connect(path)
    with contextlib.closing(connection):
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def write_until_killed(path, acknowledge):
    """In a process of its own: announce each run, store it, acknowledge it."""
    with Store(path) as store:
        while True:
            run = new_run(big=random.random() < 0.3)
            os.write(acknowledge, b"?" + run.id.encode())
            store.add(run)
            os.write(acknowledge, b"!" + run.id.encode())


def kill_a_writer(path, words, delay):
    """Start a writer and kill it `delay` seconds after its first `words` words.

    Returns the ids that it announced and those that it acknowledged.
    """
    reader, writer = os.pipe()
    process = FORK.Process(target=write_until_killed, args=(path, writer))
    process.start()
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read(33 * words)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        said += pipe.read()
    lines = [said[at : at + 33].decode() for at in range(0, len(said), 33)]
    return {line[1:] for line in lines if line[0] == "?"}, {line[1:] for line in lines if line[0] == "!"}


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path):
    chance = random.Random(6)
    announced, acknowledged, interrupted, half_done = set(), set(), 0, 0
    path = tmp_path / "runs.sqlite"
    for _ in range(KILLS):
        begun, done = kill_a_writer(path, chance.randrange(5), chance.uniform(0, 0.02))
        announced |= begun
        acknowledged |= done
        interrupted += begun != done
        half_done += path.with_name("runs.sqlite-journal").exists()
        if path.exists():
            with Store(path) as store:
                stored = {entry.id for entry in store.entries()}
            assert acknowledged <= stored <= announced
    assert integrity(path) == "ok"
    with Store(path) as store:
        assert {run.id for run in store.find()} == stored
    # The kills came where they hurt: many of them between the announcement of a run and its acknowledgement.
    assert len(acknowledged) > KILLS / 4
    assert interrupted > KILLS / 10
    assert half_done > 0


@pytest.mark.parametrize("version", [0, 1])
def test_a_writer_killed_while_it_makes_or_migrates_a_store_leaves_one_that_works(tmp_path, version):
    chance = random.Random(version)
    for number in range(20):
        path = tmp_path / f"{number}.sqlite"
        before = set()
        if version:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                connection.executescript((FIXTURES / f"store_v{version}.sql").read_text())
                before = {row[0] for row in connection.execute("SELECT id FROM runs")}
        announced, acknowledged = kill_a_writer(path, 0, chance.uniform(0, 0.04))
        with Store(path) as store:
            store.add(make_run(id="next"))
            stored = {entry.id for entry in store.entries()} - {"next"}
        assert before | acknowledged <= stored <= before | announced
        assert integrity(path) == "ok"


def test_two_writers_and_a_reader_lose_nothing(tmp_path):
    path = tmp_path / "runs.sqlite"
    writers = [FORK.Process(target=fill, args=(path, 60)) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen = 0
    with Store(path) as store:
        while any(writer.is_alive() for writer in writers):
            if path.exists():
                runs = list(store.find())
                assert len(runs) >= seen
                seen = len(runs)
            time.sleep(0.01)
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0, 0]
        assert len({run.id for run in store.find()}) == 120


def test_a_store_that_another_process_does_not_let_go_is_refused_after_a_while(tmp_path, monkeypatch):
    path = tmp_path / "runs.sqlite"
    fill(path, 1)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Store(path) as store:
            with pytest.raises(StoreError, match="in use by another process") as caught:
                store.add(new_run())
            assert len(store.entries()) == 1
            other.execute("COMMIT")
            assert store.add(new_run())
    assert str(path) in caught.value.message


def refused(path, *words):
    """Both reading and writing are refused, with a message that names the file, and leave it as it is."""
    before = path.read_bytes()
    for use in (lambda store: list(store.find()), lambda store: store.add(new_run())):
        with Store(path) as store, pytest.raises(StoreError) as caught:
            use(store)
        assert str(path) in caught.value.message
        assert caught.value.hint
        assert any(word in caught.value.message for word in words), caught.value.message
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_store_is_refused(tmp_path, share):
    path = tmp_path / "runs.sqlite"
    fill(path, 40)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "is damaged", "is not a store")


@pytest.mark.parametrize("size", [2, 99, 100, 5000, 100_000])
def test_garbage_is_refused(tmp_path, size):
    path = tmp_path / "runs.sqlite"
    path.write_bytes(random.Random(size).randbytes(size))
    refused(path, "is not a store")


def test_a_report_named_as_a_store_is_refused(tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(encode_report([new_run()]))
    refused(path, "is not a store")


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "runs.sqlite"
    fill(path, 1)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    refused(path, f"is of version {database.VERSION + 1}; this edgeq reads versions up to {database.VERSION}")


def test_the_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (id TEXT)")
    refused(path, "another program")


def test_a_folder_in_the_stores_place_is_refused(tmp_path):
    with Store(tmp_path) as store, pytest.raises(StoreError, match="cannot be opened"):
        store.add(new_run())
    (tmp_path / "file").write_text("")
    with Store(tmp_path / "file" / "runs.sqlite") as store, pytest.raises(StoreError, match="cannot reach"):
        store.add(new_run())


def test_flipped_bytes_never_come_out_as_another_run(tmp_path):
    path = tmp_path / "runs.sqlite"
    fill(path, 10)
    with Store(path) as store:
        truth = {run.id: run for run in store.find()}
    whole = path.read_bytes()
    chance = random.Random(3)
    caught = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with Store(path) as store:
            try:
                runs = list(store.find())
            except StoreError:
                caught += 1
            else:
                assert [run for run in runs if truth.get(run.id) != run] == []
    assert caught > 50


def add_many(store, acknowledged):
    for _ in range(200):
        run = new_run(big=True)
        store.add(run)
        acknowledged.append(run.id)


def full(path, is_full):
    """Add runs until the disk is full; returns the ids that were acknowledged."""
    acknowledged = []
    with Store(path) as store:
        with is_full, pytest.raises(StoreError) as caught:
            add_many(store, acknowledged)
        assert str(path) in caught.value.message
        assert "intact" in caught.value.hint
        assert [entry.id for entry in store.entries()] == acknowledged[::-1]
    assert integrity(path) == "ok"
    assert acknowledged
    return caught.value.message


@contextlib.contextmanager
def file_size_limit(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_is_an_error_and_leaves_the_store_intact(tmp_path):
    path = tmp_path / "runs.sqlite"
    assert "cannot be read or written whole" in full(path, file_size_limit(1_000_000))
    with Store(path) as store:
        assert store.add(new_run(big=True))


def test_a_full_disk_is_an_error_and_leaves_the_store_intact(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        assert "the disk is full" in full(tmp_path / "runs.sqlite", contextlib.nullcontext())
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@contextlib.contextmanager
def nobody():
    """Without root's right to write everywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_store_in_a_read_only_folder_can_be_read_and_not_written():
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "runs.sqlite"
        fill(path, 3)
        path.chmod(0o444)
        folder.chmod(0o555)
        with nobody(), Store(path) as store:
            assert len(list(store.find())) == 3
            with pytest.raises(StoreError, match="read-only") as caught:
                store.add(new_run())
            assert "EDGEQ_STORE" in caught.value.hint
        with nobody(), Store(folder / "other.sqlite") as store, pytest.raises(StoreError, match="cannot be"):
            store.add(new_run())
        deeper = folder / "deeper" / "runs.sqlite"
        with nobody(), Store(deeper) as store, pytest.raises(StoreError, match="cannot reach"):
            store.add(new_run())
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
