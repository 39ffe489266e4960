"""One device, one user: a lock on the device itself, so that it holds across processes and machines.

A shell on the device holds flock(1) on a file in the work folder for as long as its input is open: it goes
when edgeq goes, however that ends. A connection that died without a word would keep it, so edgeq writes a
line now and then, the holder notes the device's uptime, and whoever waits ends a holder that has gone quiet.
"""

import contextlib
import getpass
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeq.devices.deploy import make_folders
from edgeq.devices.link import Link, Running, printable
from edgeq.errors import DeviceBusy, DeviceError, DeviceUnreachable

Announce = Callable[[str], None]

BEAT_SECONDS = 20.0
# A holder that was not heard of for so long, on the device's own uptime, has lost its edgeq.
QUIET_SECONDS = 90.0
_ASK_SECONDS = 2.0
_ANSWER_SECONDS = 60.0

# `$1` is the work folder, `$2` says who, `$3` is the lock's own word. Only builtins run while the lock is
# held: nothing is started on the device in the middle of a measurement. /proc/uptime does not jump when
# somebody sets the clock. A holder may remove the folder at its end: a lock on a file that is not there any
# more keeps nobody out, and is none. `9>&9`: a phone's shell (mksh) gives a command no file above 2 that is
# not named with it.
_HOLD = r"""
umask 077
exec 2>&1
command -v flock >/dev/null || { echo no-flock; exit; }
take() { [ -d "$1" ] && exec 9>>"$1/lock" && flock -n 9 9>&9 && [ "$1/lock" -ef "/proc/$$/fd/9" ]; }
beat() { read -r up _ </proc/uptime; echo "${up%%.*}" >"$1/lock.beat"; }
if take "$1"; then
  printf '%s\n%s\n%s\n' "$$" "$3" "$2" >"$1/lock.owner"
  beat "$1"
  echo held
  while read -r _; do beat "$1"; done
  rm -f "$1/lock.owner" "$1/lock.beat"
else
  { read -r pid; read -r word; read -r who; } 2>/dev/null <"$1/lock.owner"
  read -r last 2>/dev/null <"$1/lock.beat"
  read -r up _ </proc/uptime
  printf 'busy\n%s\n%s\n%s\n%s\n%s\n' "${pid:-?}" "${last:-?}" "${up%%.*}" "${word:-?}" "${who:-?}"
fi
"""


# Words of the locks that this process has let go of. A link that broke may have left one behind.
_let_go: set[str] = set()


@dataclass(frozen=True)
class Holder:
    """Who has a device.

    Attributes:
        pid: the process on the device that holds the lock.
        quiet: seconds since edgeq was heard of; None when that is not known.
        word: the lock's own.
        who: for people.
    """

    pid: int | None
    quiet: int | None
    word: str
    who: str

    @property
    def is_dead(self) -> bool:
        """Whether the lock is held for nobody any more."""
        return self.word in _let_go or (self.quiet is not None and self.quiet > QUIET_SECONDS)


@contextlib.contextmanager
def hold_device(link: Link, root: str, name: str, *, wait: float, announce: Announce) -> Iterator[None]:
    """Have the device for oneself in the `with` block.

    Args:
        link: the device.
        root: its work folder, where the lock lies; users who share a device share it.
        name: the device's name, for messages.
        wait: seconds to wait for another user at most.
        announce: called with a line when waiting begins, and when a dead holder is ended.

    Raises:
        DeviceBusy: another one has it, and did not let go of it within `wait` seconds.
        DeployError: the work folder cannot be made, or belongs to another user.
        DeviceError: the device has no flock(1).
        DeviceUnreachable: the link broke.
    """
    word = secrets.token_hex(8)
    running = _take(link, root, name, word, wait, announce)
    stop = threading.Event()
    beats = threading.Thread(target=_beat, args=(running, stop), name="lock", daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        _let_go.add(word)
        running.close()
        beats.join()


def _take(link: Link, root: str, name: str, word: str, wait: float, announce: Announce) -> Running:
    until = time.monotonic() + wait
    told: str | None = None
    while True:
        make_folders(link, root)  # each time: the one before may have removed them at its end
        running, holder = _try_take(link, root, word)
        if holder is None:
            return running
        if holder.pid is not None and holder.is_dead:
            announce(f"ending the lock of {holder.who}, not heard of for {holder.quiet or 0} s")
            link.run(["kill", str(holder.pid)], timeout=_ANSWER_SECONDS)
        elif time.monotonic() >= until:
            raise DeviceBusy(
                f"{name} is in use by {holder.who}",
                hint="wait for it to end, or give --wait more seconds",
                private=(holder.who,),
            )
        elif told != holder.who:
            announce(f"waiting for {holder.who}, {until - time.monotonic():.0f} s at most")
            told = holder.who
        time.sleep(min(_ASK_SECONDS, max(0.1, until - time.monotonic())))


def _try_take(link: Link, root: str, word: str) -> tuple[Running, Holder | None]:
    """The lock, or who has it."""
    running = link.start(["sh", "-c", _HOLD, "sh", root, _describe_self(), word])
    try:
        holder = _read_answer(running, root)
    except BaseException as error:
        running.close()
        if isinstance(error, EOFError):
            raise DeviceError(f"cannot make a lock in {root} on the device") from error
        raise
    if holder is not None:
        running.close()
    return running, holder


def _read_answer(running: Running, root: str) -> Holder | None:
    """Who has the lock; None when it is ours now."""
    first = running.read_line(timeout=_ANSWER_SECONDS)
    if first == b"held":
        return None
    if first == b"no-flock":
        raise DeviceError(
            "the device has no `flock`, by which edgeqs take turns on it",
            hint="install util-linux there, or a busybox that has it",
        )
    if first != b"busy":
        raise DeviceError(
            f"cannot make a lock in {root} on the device: {printable(first)[:300]}",
            hint="choose a `work_folder` in the device profile that this user may write to",
        )
    pid, last, now = (_number(running.read_line(timeout=_ANSWER_SECONDS)) for _ in range(3))
    word, who = (printable(running.read_line(timeout=_ANSWER_SECONDS))[:120] for _ in range(2))
    return Holder(pid, None if last is None or now is None else max(0, now - last), word, who)


def _beat(running: Running, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        try:
            running.write(b"\n")
        except DeviceUnreachable:
            return  # whoever uses the device sees that too, and says so


def _number(line: bytes) -> int | None:
    return int(line) if re.fullmatch(rb"[0-9]{1,12}", line) else None


def _describe_self() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}, process {os.getpid()}"
