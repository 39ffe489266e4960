"""The runner's app on a phone, through what a phone's shell has: `cmd package`, `run-as`, `am instrument`.

What these print and with which exit code is from AOSP's sources (PackageManagerShellCommand, run-as.cpp,
Instrument.java); none of it was seen on a phone.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from edgeq.devices.link import CommandResult, Link, printable
from edgeq.errors import DeployError, DeviceError, DeviceUnreachable, RunnerError
from edgeq.results.records import Record

PACKAGE = "edgeq.runner"
_INSTRUMENTATION = f"{PACKAGE}/{PACKAGE}.app.RunnerInstrumentation"
_SECONDS = 120.0
_UNINSTALL = f"adb uninstall {PACKAGE}"

# -r: what an edgeq that was killed has left is replaced. -t: Android Studio marks what it runs as a test.
_INSTALL = 'exec cmd package install -r -t -S "$2" <"$1"'
# The shell opens the file and the app reads a pipe: an app may not enter the shell's folders.
_PUT = f"""
cat "$1" | run-as {PACKAGE} sh -c '
umask 077; mkdir -p "${{1%/*}}" && cat >"$1.part" && sha256sum "$1.part" && mv "$1.part" "$1"' sh "$2"
"""
_GET = f'run-as {PACKAGE} cat "$1" >"$2"'

# What Android calls a refusal, what that means, and what to do.
_REFUSALS = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE": (
        f"another {PACKAGE} is on it, signed with another key",
        f"`{_UNINSTALL}` removes it",
    ),
    "INSTALL_FAILED_INSUFFICIENT_STORAGE": ("it has no room for the app", "make room on the phone"),
    "INSTALL_FAILED_OLDER_SDK": (
        "its Android is older than the app's minSdk",
        "build the app with a lower minSdk (android_runner/gradle.properties), 26 at least",
    ),
    "INSTALL_FAILED_NO_MATCHING_ABIS": ("the app has no library for its processor", "build it for arm64-v8a"),
    "INSTALL_FAILED_USER_RESTRICTED": (
        "it lets nobody install over adb",
        "allow it in the developer options (`Install via USB`), and tap Install when the phone asks",
    ),
    "INSTALL_FAILED_VERIFICATION_FAILURE": (
        "its verifier of apps refused the app",
        "switch `Verify apps over USB` off in the developer options",
    ),
    "INSTALL_PARSE_FAILED_NO_CERTIFICATES": ("the app is not signed, or was changed", "build it again"),
}


class Answer(Record, frozen=True, kw_only=True):
    """How the app ended: what it said, and why its process is gone if it crashed."""

    said: str
    crash: str | None = None


@contextlib.contextmanager
def installed_app(link: Link, apk: str, size: int, announce: Callable[[str], None]) -> Iterator[str]:
    """Install the app, and uninstall it at the end whatever happens; its data folder.

    Args:
        link: the phone.
        apk: the .apk on the phone.
        size: its bytes.
        announce: called with a line when the app stays on the phone.

    Raises:
        DeviceError: the phone refused it, by Android's name of the reason; or lets no one into its folder.
        DeviceUnreachable: the link broke.
    """
    installing = ["sh", "-c", _INSTALL, "sh", apk, str(size)]
    try:
        _check_install(link.run(installing, timeout=_SECONDS + size / 1e5))
    except DeviceUnreachable:
        _uninstall(link, announce)
        raise
    try:
        yield _data_folder(link)
    finally:
        _uninstall(link, announce)


def put_file(link: Link, source: str, target: str, sha256: str) -> None:
    """Copy a file of the phone's shell into the app's data folder; it is there whole or not at all.

    Raises:
        DeployError: no room, or other bytes arrived.
        DeviceUnreachable: the link broke.
    """
    done = link.run(["sh", "-c", _PUT, "sh", source, target], timeout=600)
    name = PurePosixPath(target).name
    done.check(f"copying {name} into the app", DeployError)
    if done.stdout.decode(errors="replace").split()[:1] != [sha256]:
        raise DeployError(f"copying {name} into the app changed it")


def get_file(link: Link, source: str, target: str) -> None:
    """Copy a file of the app to where the phone's shell can read it.

    Raises:
        DeviceError: it is not there.
    """
    link.run(["sh", "-c", _GET, "sh", source, target], timeout=600).check(f"reading {source} in the app")


def has_file(link: Link, path: str) -> bool:
    """Whether the app has a file."""
    return link.run(["run-as", PACKAGE, "test", "-f", path], timeout=_SECONDS).exit_code == 0


def instrument(link: Link, job: str, result: str, *, timeout: float) -> Answer:
    """Run one job in the app, and wait for its end.

    Raises:
        RunnerError: Android did not start the app.
        DeviceUnreachable: the link broke, or the app did not end in time.
    """
    command = ["am", "instrument", "-w", "-e", "job", job, "-e", "result", result, _INSTRUMENTATION]
    done = link.run(command, timeout=timeout)
    return read_answer(printable(done.stdout), printable(done.stderr))


def read_answer(output: str, errors: str = "") -> Answer:
    """What `am instrument -w` printed about the app's end.

    Raises:
        RunnerError: the app was not started, or Android went down.
    """
    found = dict(re.findall(r"^INSTRUMENTATION_(?:RESULT|STATUS): (\w+)=(.*)$", output, re.MULTILINE))
    everything = f"{output}\n{errors}"
    if failed := re.search(r"INSTRUMENTATION_(FAILED|ABORTED): .*", everything):
        reason = found.get("Error", "")
        raise RunnerError(
            f"Android did not run the app: {failed[0]}{f' ({reason})' if reason else ''}",
            hint=f"is this the app of android_runner/runner? `{_UNINSTALL}` removes what is left of it",
        )
    if "exit" in found:
        return Answer(said=found.get("said", ""))
    words = ": ".join(filter(None, (found.get("shortMsg"), found.get("longMsg"))))
    said = everything.strip()[-500:]
    return Answer(said=said, crash=words or f"it ended without a word; am said: {said or 'nothing'}")


def check_install(output: str) -> None:
    """Compare what `cmd package install` printed with success.

    Raises:
        DeviceError: refused, by Android's name of the reason.
    """
    if re.search(r"^Success\b", output, re.MULTILINE):
        return
    found = re.search(r"Failure \[(\w+)(?::\s*(.*))?\]", output)
    if found is None:
        raise DeviceError(f"the phone did not install the app: {output.strip()[-500:] or 'no message'}")
    meaning, hint = _REFUSALS.get(found[1], ("it refused the app", None))
    detail = f": {found[2]}" if found[2] else ""
    raise DeviceError(f"the phone did not install the app: {meaning} ({found[1]}{detail})", hint=hint)


def _check_install(done: CommandResult) -> None:
    check_install(printable(done.stdout + done.stderr))


def _data_folder(link: Link) -> str:
    done = link.run(["run-as", PACKAGE, "pwd"], timeout=_SECONDS)
    hint = "only a debuggable app lets adb in: build the debug variant"
    folder = done.check("entering the app's folder", hint=hint).stdout.decode(errors="replace").strip()
    if not folder.startswith("/"):
        raise DeviceError(f"run-as tells no folder of the app: {folder[:200]!r}", hint=hint)
    return folder


def _uninstall(link: Link, announce: Callable[[str], None]) -> None:
    try:
        done = link.run(["cmd", "package", "uninstall", PACKAGE], timeout=_SECONDS)
    except DeviceUnreachable:
        announce(f"the app stays on the phone, which is gone; `{_UNINSTALL}` removes it")
        return
    said = printable(done.stdout + done.stderr).strip()
    if "Success" not in said:
        announce(f"the app stays on the phone: {said[-300:] or 'no message'}; `{_UNINSTALL}` removes it")
