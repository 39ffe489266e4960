"""Labels: read from text, and asked from a real git checkout."""

import subprocess

import pytest

from edgeq.errors import InputError
from edgeq.results.labels import git_labels, parse_labels


def test_labels_are_read_from_text():
    assert parse_labels(["branch=a=b", "commit= c1 "]) == {"branch": "a=b", "commit": "c1"}
    for wrong in ("branch", "=main", "branch=", "Branch=main", "a b=c"):
        with pytest.raises(InputError, match="is no label"):
            parse_labels([wrong])


def test_git_says_commit_and_branch_and_whether_they_are_all(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def git(*words):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    assert git_labels(tmp_path) == {}
    assert git_labels(tmp_path / "missing") == {}
    git("init", "--quiet", "--initial-branch", "topic/one")
    assert git_labels(tmp_path) == {}
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert git_labels(tmp_path) == {"commit": commit, "branch": "topic/one"}
    (tmp_path / "file").write_text("2")
    assert git_labels(tmp_path) == {"commit": commit, "branch": "topic/one", "dirty": "yes"}
    git("checkout", "--quiet", "--force", "--detach")
    assert git_labels(tmp_path) == {"commit": commit}
