"""The cache: made once, whole or not at all, made again when damaged."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgeq import cache
from edgeq.cache import cache_root, cached, drop, file_sha256, key_of, staging, write_atomic


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("EDGEQ_CACHE", str(root))
    return root


class Maker:
    """Fills an entry and counts how often it was asked to."""

    def __init__(self, content: str = "content") -> None:
        self.calls = 0
        self.content = content

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "sub").mkdir()
        (folder / "file").write_text(self.content)
        (folder / "sub" / "deep").write_text("deep")


def entries(root: Path) -> list[str]:
    """What lies in the folder of a kind, locks aside."""
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def test_an_entry_is_made_once() -> None:
    make = Maker()
    first, was_there = cached("kind", "key", make)
    assert not was_there
    second, was_there = cached("kind", "key", make)
    assert was_there
    assert first == second == cache_root() / "kind" / "key"
    assert (second / "file").read_text() == "content"
    assert make.calls == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "file").write_text("changed"),
        lambda entry: (entry / "sub" / "deep").write_bytes(b""),
        lambda entry: (entry / "file").unlink(),
        lambda entry: (entry / "more").write_text("more"),
        lambda entry: (entry / ".hashes.json").unlink(),
        lambda entry: (entry / ".hashes.json").write_text('{"file": '),
    ],
    ids=["changed", "truncated", "removed", "added", "no hashes", "broken hashes"],
)
def test_a_damaged_entry_is_made_again(damage) -> None:
    make = Maker()
    entry, _ = cached("kind", "key", make)
    damage(entry)
    entry, was_there = cached("kind", "key", make)
    assert not was_there
    assert make.calls == 2
    assert sorted(p.relative_to(entry).as_posix() for p in entry.rglob("*") if p.is_file()) == [
        ".hashes.json",
        "file",
        "sub/deep",
    ]
    assert (entry / "file").read_text() == "content"


def test_a_failure_leaves_nothing_and_the_next_call_makes_it(own_cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cached("kind", "key", fail)
    assert entries(own_cache / "kind") == []
    make = Maker()
    cached("kind", "key", make)
    assert make.calls == 1


def test_an_interrupt_leaves_nothing(own_cache: Path) -> None:
    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("kind", "key", interrupt)
    assert entries(own_cache / "kind") == []


RACE = """
import sys, time
from pathlib import Path
from edgeq.cache import cached

def make(folder):
    with Path(sys.argv[1]).open("a") as log:
        log.write("made\\n")
    time.sleep(0.5)
    (folder / "file").write_text("content")

folder, was_there = cached("kind", "key", make)
assert (folder / "file").read_text() == "content"
print(was_there)
"""


def test_two_processes_that_want_the_same_entry_make_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", RACE, str(log)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert answers == ["False", "True", "True"]
    assert log.read_text() == "made\n"


def test_a_killed_maker_does_not_block_the_next_one(tmp_path: Path) -> None:
    script = RACE.replace("time.sleep(0.5)", "print('inside', flush=True); time.sleep(60)")
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "inside\n"
        killed.kill()
    make = Maker()
    _, was_there = cached("kind", "key", make)
    assert not was_there
    assert make.calls == 1


def test_drop_removes_an_entry_and_forgives_a_missing_one() -> None:
    make = Maker()
    entry, _ = cached("kind", "key", make)
    drop("kind", "key")
    assert not entry.exists()
    drop("kind", "key")
    cached("kind", "key", make)
    assert make.calls == 2


def test_a_key_depends_on_content_and_not_on_order() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": "1"})
    assert len(key_of({})) == 64


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEQ_CACHE", "~/own")
    assert cache_root() == Path.home() / "own"
    monkeypatch.delenv("EDGEQ_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "edgeq"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "edgeq"


def test_staging_appears_under_its_name_only_when_whole(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "final"
    with staging(final) as folder:
        (folder / "file").write_text("x")
        assert not final.exists()
        assert folder.parent == final.parent
    assert (final / "file").read_text() == "x"
    assert stat.S_IMODE(final.stat().st_mode) == 0o755


def test_staging_does_not_replace_what_is_there(tmp_path: Path) -> None:
    final = tmp_path / "final"
    final.mkdir()
    (final / "old").write_text("old")
    with pytest.raises(OSError, match="not empty"), staging(final) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["final", "old"]


def test_an_atomic_write_replaces_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"old")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    with path.open("rb") as reader:
        write_atomic(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_failed_atomic_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_failed_rename_leaves_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(target, b"data")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_the_hashes_name_every_file() -> None:
    entry, _ = cached("kind", "key", Maker())
    hashes = json.loads((entry / cache._HASHES).read_text())
    assert hashes == {name: file_sha256(entry / name) for name in ("file", "sub/deep")}
