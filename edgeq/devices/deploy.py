"""Put sets of files on a device by content: what is there already, whole, is not sent again.

A set lies in `{root}/store/{hash of its names, modes and contents}/`, so different sets never meet and two
processes that deploy the same one do no harm.
"""

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from edgeq.cache import file_sha256, key_of
from edgeq.devices.link import Link, Progress
from edgeq.errors import DeployError, DeviceUnreachable

# Slowest useful link, and the patience for everything that is not the sending itself.
_SLOWEST_BYTES_PER_SECOND = 100_000
_COMMAND_SECONDS = 120.0

# `$1` is edgeq's own folder, the others go below it. A folder of somebody else is refused: in a place that
# all users may write to, its owner could exchange what we run.
_MAKE_FOLDERS = """
umask 077
[ -d "$1" ] || mkdir -p -m 700 "$1" || exit
[ -O "$1" ] || { echo "$1 belongs to another user" >&2; exit 1; }
shift
[ $# -eq 0 ] || mkdir -p "$@"
"""


def store_path(root: str, files: Mapping[str, Path]) -> str:
    """The folder on a device, below its work folder `root`, where this set of files belongs.

    Args:
        root: the device's work folder.
        files: path within the set -> file here.

    Raises:
        ValueError: a name that leaves the set's folder.
    """
    return _folder_of(root, files, _hash_all(files))


def _hash_all(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: file_sha256(path) for name, path in files.items()}


def _folder_of(root: str, files: Mapping[str, Path], hashes: Mapping[str, str]) -> str:
    for name in files:
        if name in ("", ".") or name != str(PurePosixPath(name)) or name[0] == "/" or ".." in name.split("/"):
            raise ValueError(f"{name!r} is no path within a set of files")
    content = {name: [hashes[name], path.stat().st_mode & 0o111 != 0] for name, path in files.items()}
    return f"{root}/store/{key_of(content)[:32]}"


def deploy_folder(link: Link, root: str, files: Mapping[str, Path], progress: Progress | None = None) -> str:
    """Make sure that a set of files is on the device, every one hashed there; returns its folder.

    Args:
        link: the device.
        root: its work folder; made with mode 0700.
        files: path within the set -> file here; modes come along.
        progress: called with bytes sent and bytes to send, over the whole set; not when all are there.

    Raises:
        DeployError: the device refused a file.
        DeviceUnreachable: the link broke.
    """
    hashes = _hash_all(files)
    folder = _folder_of(root, files, hashes)
    placed = {f"{folder}/{name}": path for name, path in files.items()}
    whole = _find_whole(link, {f"{folder}/{name}": sha256 for name, sha256 in hashes.items()})
    missing = {remote: local for remote, local in placed.items() if remote not in whole}
    if missing:
        folders = sorted({str(PurePosixPath(remote).parent) for remote in missing})
        make_folders(link, root, folders)
        total, done = sum(path.stat().st_size for path in missing.values()), 0
        for remote, local in missing.items():
            size = local.stat().st_size
            link.push(
                local,
                remote,
                timeout=_COMMAND_SECONDS + size / _SLOWEST_BYTES_PER_SECOND,
                progress=_shifted(progress, done, total),
            )
            done += size
    return folder


@contextlib.contextmanager
def make_run_folder(link: Link, root: str) -> Iterator[str]:
    """A new folder on the device for one run, removed at the end if the device can still be reached."""
    make_folders(link, root)
    made = link.run(["mktemp", "-d", f"{root}/run.XXXXXXXX"], timeout=_COMMAND_SECONDS)
    folder = made.check(f"making a folder in {root}", DeployError).stdout.decode().strip()
    try:
        yield folder
    finally:
        with contextlib.suppress(DeviceUnreachable):
            link.run(["rm", "-rf", "--", folder], timeout=_COMMAND_SECONDS)


def _find_whole(link: Link, hashes: Mapping[str, str]) -> set[str]:
    """Those paths that the device has with the right SHA-256; one command for all."""
    done = link.run(["sha256sum", "--", *hashes], timeout=_COMMAND_SECONDS)
    if done.exit_code in (126, 127):
        done.check("hashing files on the device", DeployError, hint="install coreutils or busybox there")
    lines = set(done.stdout.decode(errors="replace").splitlines())
    return {remote for remote, sha256 in hashes.items() if f"{sha256}  {remote}" in lines}


def make_folders(link: Link, root: str, folders: Sequence[str] = ()) -> None:
    """Make the work folder, for its owner only, and `folders` below it.

    Raises:
        DeployError: it cannot be made, or belongs to another user.
    """
    done = link.run(["sh", "-c", _MAKE_FOLDERS, "sh", root, *folders], timeout=_COMMAND_SECONDS)
    done.check(
        f"making {shlex.quote(root)} on the device",
        DeployError,
        hint="choose a `work_folder` in the device profile that this user may write to",
    )


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _size: progress(before + done, total)
