"""Labels of stored runs: where in the history of its source a run belongs, given by hand or by git."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from edgeq.errors import InputError

_KEY = re.compile(r"[a-z][a-z0-9_.-]*")
_GIT_SECONDS = 10.0


def parse_labels(pairs: Iterable[str]) -> dict[str, str]:
    """Labels from `key=value` texts; the last one of a key counts.

    Raises:
        InputError: no `=`, a key that is not lower-case letters, digits, `_`, `.` and `-`, or no value.
    """
    labels = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if not _KEY.fullmatch(key) or not value.strip():
            raise InputError(f"{pair!r} is no label", hint="write it like branch=main or commit=3f2a91c")
        labels[key] = value.strip()
    return labels


def git_labels(folder: Path) -> dict[str, str]:
    """`commit` and `branch` of the git checkout that `folder` is in; `dirty` when tracked files differ.

    Empty outside a checkout and where git does not answer; no `branch` when the head is detached, as most
    CI machines leave it.
    """
    commit = _ask_git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return {}
    labels = {"commit": commit}
    if branch := _ask_git(folder, "symbolic-ref", "--quiet", "--short", "HEAD"):
        labels["branch"] = branch
    if _ask_git(folder, "status", "--porcelain", "--untracked-files=no"):
        labels["dirty"] = "yes"
    return labels


def _ask_git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), "--no-optional-locks", *words],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
