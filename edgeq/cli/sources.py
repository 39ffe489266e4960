"""Where runs to compare come from: report files, folders of them, baselines, and the store."""

import os
from collections.abc import Collection
from pathlib import Path

from edgeq.errors import InputError
from edgeq.report.files import JSON, read_report
from edgeq.results.baseline import decode_baseline, is_baseline
from edgeq.results.compare import Key, key_of
from edgeq.results.records import Run
from edgeq.results.store import Filter, Store, default_store_path

_LATEST = "latest:"
_HINT = (
    "give a report.json, a folder that holds one, a baseline file, a run id of the store, or latest:BRANCH"
)


def is_latest(text: str) -> bool:
    """Whether `text` asks the store for the newest runs of a branch."""
    return text.startswith(_LATEST)


def read_runs(text: str) -> list[Run]:
    """The runs of a report, a folder of reports (its own, or one in each subfolder), a baseline or an id.

    Raises:
        InputError: none of these, or damaged.
        StoreError: the store cannot be read.
    """
    path = Path(text)
    if path.is_dir():
        files = [path / JSON] if (path / JSON).is_file() else sorted(path.glob(f"*/{JSON}"))
        if not files:
            raise InputError(f"no {JSON} in {path} or in a folder of it", hint=_HINT)
        return [run for file in files for run in read_report(file).runs]
    if path.is_file():
        return _read_file(path)
    if os.sep in text or path.suffix:
        raise InputError(f"there is no {path}", hint=_HINT)
    store = default_store_path()
    if not store.is_file():
        raise InputError(f"there is no file {text!r}, and no store at {store} to look it up in", hint=_HINT)
    with Store(store) as opened:
        return [opened.get(text)]


def read_latest(text: str, keys: Collection[Key], *, good: bool = False) -> list[Run]:
    """The newest run of the branch in `latest:BRANCH` for each of `keys` that it has.

    Args:
        text: `latest:BRANCH`.
        keys: what is looked for.
        good: only runs that did not fail and are valid.

    Raises:
        InputError: the branch has none of them.
        StoreError: the store cannot be read.
    """
    branch = text.removeprefix(_LATEST)
    path = default_store_path()
    with Store(path) as store:
        newest = [_find_newest(store, key, branch, good=good) for key in keys]
    # A key without a device matches the runs of any, which may be another key's.
    found = list({run.id: run for run in newest if run is not None}.values())
    if not found:
        wanted = ", ".join(map(str, keys))
        raise InputError(
            f"branch {branch!r} has no {'good ' if good else ''}run of {wanted} in {path}",
            hint="keep runs with their branch: `edgeq runs import REPORT --label branch=NAME`",
        )
    return found


def list_keys(text: str) -> list[Key]:
    """Everything that was measured on the branch of `latest:BRANCH`."""
    with Store(default_store_path()) as store:
        entries = store.entries(branch=text.removeprefix(_LATEST))
    return list(
        dict.fromkeys(
            Key(artifact=each.artifact, recipe=each.recipe, profile=each.device) for each in entries
        )
    )


def _find_newest(store: Store, key: Key, branch: str, *, good: bool) -> Run | None:
    which: Filter = {
        "artifact": key.artifact,
        "recipe": key.recipe,
        "device": key.profile,
        "branch": branch,
        "status": "ok" if good else None,
    }
    newest = store.latest(**which)
    if newest is None or not good or not newest.invalid:
        return newest
    return next((run for run in store.find(**which) if not run.invalid), None)


def _read_file(path: Path) -> list[Run]:
    data = path.read_bytes()
    if not is_baseline(data):
        return list(read_report(path).runs)
    try:
        return list(decode_baseline(data))
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error


def keys_of(runs: list[Run]) -> list[Key]:
    """The keys of `runs`, each once."""
    return list(dict.fromkeys(key_of(run) for run in runs))
