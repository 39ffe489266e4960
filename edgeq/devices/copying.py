"""Files through a device's shell: hashed there before they get their names, whole or not there at all.

A file goes through `cat` into one command that receives, hashes and renames. A device needs no file server
for it, its own words say why it refuses, and nothing waits for answers in between. What breaks on the way
ends the input of that command, which then finds the file wrong and removes it itself, also when edgeq was
killed. So a broken transfer is begun again, never resumed. Links differ only in how bytes go to the command
and come back.
"""

import hashlib
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgeq.cache import file_sha256
from edgeq.devices.link import Progress, printable
from edgeq.errors import DeployError, DeviceError, HostError
from edgeq.units import format_quantity

# Most bytes of a message, or of what a login shell says before the file.
WORDS = 1 << 16

# `$1` the name that the file has meanwhile, `$2` its final one, `$3` bytes, `$4` SHA-256, `$5` mode.
_RECEIVE = """
umask 077
trap 'rm -f -- "$1"' EXIT
trap 'exit 1' HUP INT TERM
[ ! -d "$2" ] || { echo "$2 is a folder" >&2; exit 1; }
cat >"$1" || { rm -f -- "$1"; df -Pk "$(dirname "$2")"; exit 1; }
size=$(wc -c <"$1") && [ $size -eq "$3" ] || exit 9
sum=$(sha256sum <"$1") || exit 1
[ "${sum%% *}" = "$4" ] || exit 9
chmod "$5" "$1" && mv -f -- "$1" "$2"
"""
_DIFFERS = 9

# `$1` the file, `$2` a word that no login shell says. The hash goes to stderr, made while the file is sent.
_SEND = """
[ -r "$1" ] && [ ! -d "$1" ] || { cat -- "$1" >/dev/null; exit 1; }
size=$(wc -c <"$1") && echo "$2" $size || exit 1
sha256sum <"$1" >&2 &
cat -- "$1" && wait $!
"""


def receive_command(local: Path, remote: str, aside: str) -> list[str]:
    """What the device runs to take `local` from its standard input, to its end, and to call it `remote`.

    Meanwhile the file is called `aside`; when the command has ended, nothing is.
    """
    status = local.stat()
    mode = f"{stat.S_IMODE(status.st_mode):o}"
    return ["sh", "-c", _RECEIVE, "sh", aside, remote, str(status.st_size), file_sha256(local), mode]


def check_received(
    code: int, output: bytes, errors: bytes, *, what: str, where: str, remote: str, size: int
) -> None:
    """Return if a `receive_command` ended well.

    Args:
        code: its exit code.
        output: what it wrote to stdout, perhaps what `df` says of the folder.
        errors: what it wrote to stderr.
        what: what was done, for messages.
        where: the device, for messages.
        remote: the file's name there.
        size: the file's bytes.

    Raises:
        DeployError: it did not; with the device's own words.
    """
    if code == 0:
        return
    if code == _DIFFERS:
        raise _differs(what, where)
    folder = str(PurePosixPath(remote).parent)
    said = printable(errors).strip() or f"exit code {code}"
    message = f"{what}: {where} refused it: {said[-2000:]}"
    found = re.search(rb"(?m)^\S.*?\s[0-9]+\s+[0-9]+\s+([0-9]{1,15})\s+[0-9]+%\s", output)
    free = int(found[1]) * 1024 if found else None
    if free is not None and free < size:
        raise DeployError(
            f"{message}; {format_quantity(free, 'B')} are free there for {format_quantity(size, 'B')}",
            hint=f"make room on the device, or choose another `work_folder` than the one of {folder}",
        )
    raise DeployError(message, hint=f"check that {folder} is on the device, and the rights of it")


def send_command(remote: str, word: str) -> list[str]:
    """What the device runs to write `remote` to its standard output, after a line of `word` and size."""
    return ["sh", "-c", _SEND, "sh", remote, word]


def check_sent(code: int, sha256: str | None, errors: bytes, *, what: str, where: str) -> None:
    """Return if a `send_command` ended well and `sha256` is what it said.

    Raises:
        DeviceError: it did not end well; with the device's own words.
        DeployError: what came is not what is there.
    """
    if code != 0:
        raise DeviceError(f"{what}: {printable(errors).strip()[-2000:] or f'exit code {code}'}")
    if sha256 is None or sha256.encode() not in errors:
        raise _differs(what, where)


def read_chunks(file: BinaryIO, size: int, what: str) -> Iterator[bytes]:
    """The content of a file of this machine, `size` bytes at once.

    Raises:
        HostError: it cannot be read.
    """
    try:
        while chunk := file.read(size):
            yield chunk
    except OSError as error:
        raise HostError(f"{what}: cannot read it here: {error.strerror}") from error


def take_file(
    receive: Callable[[int], bytes],
    file: BinaryIO,
    word: str,
    what: str,
    *,
    at_once: int,
    progress: Progress | None,
) -> str | None:
    """Write to `file` what a `send_command` writes; SHA-256 of it, or None when it did not come whole.

    Args:
        receive: gives at most so many bytes of its standard output, none at the end.
        file: on this machine.
        word: see `send_command`.
        what: what is done, for messages.
        at_once: most bytes to ask for.
        progress: see `Link.pull`.

    Raises:
        HostError: it cannot be written.
    """
    if (total := _announced_size(receive, word)) is None:
        return None
    done, hashed = 0, hashlib.sha256()
    while done < total:
        if not (chunk := receive(min(at_once, total - done))):
            return None
        try:
            file.write(chunk)
        except OSError as error:
            raise HostError(f"{what}: cannot write it here: {error.strerror}") from error
        hashed.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    return hashed.hexdigest()


def _announced_size(receive: Callable[[int], bytes], word: str) -> int | None:
    """The number after `word` on the command's first line; what a login shell says before it is dropped."""
    head, announced = bytearray(), re.compile(rb"(?:^|\n)%b ([0-9]{1,18})\n$" % word.encode())
    while len(head) < WORDS and (byte := receive(1)):
        head += byte
        if byte == b"\n" and (found := announced.search(head)):
            return int(found[1])
    return None


def _differs(what: str, where: str) -> DeployError:
    return DeployError(
        f"{what}: the content on {where} differs from what was sent or received",
        hint="try again; if it happens twice, check the device's storage",
    )
