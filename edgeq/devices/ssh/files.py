"""Files over SSH, each through a command on a channel of its own; see `copying` for why not over SFTP."""

import secrets
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.devices.copying import (
    WORDS,
    check_received,
    check_sent,
    read_chunks,
    receive_command,
    send_command,
    take_file,
)
from edgeq.devices.link import CommandResult, Progress, beside
from edgeq.devices.ssh.client import WINDOW
from edgeq.devices.ssh.session import SshSession, exit_code_of
from edgeq.devices.supervision import supervised
from edgeq.errors import EdgeqError

if TYPE_CHECKING:
    import paramiko

_CLEANUP_SECONDS = 15.0
# What paramiko is given at once: just what goes into a packet for OpenSSH. What it is asked for at once: all
# that it may have. Of what remains in either case it makes a copy each time.
_SENT = (1 << 15) - 64
_TAKEN = WINDOW


class Transfers:
    """Copies files over `session`; `run` is the link's, for cleaning up."""

    def __init__(self, session: SshSession, run: Callable[..., CommandResult]) -> None:
        self._session = session
        self._run = run

    def push(self, local: Path, remote: str, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.push`. The device hashes what it wrote before the file gets its name."""
        aside, what, size = beside(remote), f"pushing {local.name} to {remote}", local.stat().st_size
        command = receive_command(local, remote, aside)
        try:
            with local.open("rb") as file, self._session.command(what, timeout) as channel:
                channel.exec_command(shlex.join(command))
                _feed(channel, read_chunks(file, _SENT, what), size, progress)
                output, errors, code = _end_of(channel)
        except EdgeqError:  # the end of its input has made the device remove it
            raise
        except BaseException:
            self._remove(aside)
            raise
        where = self._session.target.label
        check_received(code, output, errors, what=what, where=where, remote=remote, size=size)

    def pull(self, remote: str, local: Path, *, timeout: float, progress: Progress | None = None) -> None:
        """See `Link.pull`. What came is hashed here and compared with the device's hash of its file."""
        aside, word, where = Path(beside(str(local))), secrets.token_hex(8), self._session.target.label
        what = f"pulling {remote} from {where}"
        try:
            with aside.open("xb") as file, self._session.command(what, timeout) as channel:
                channel.exec_command(shlex.join(supervised(send_command(remote, word), {})))
                sha256 = take_file(channel.recv, file, word, what, at_once=_TAKEN, progress=progress)
                _, errors, code = _end_of(channel)
            check_sent(code, sha256, errors, what=what, where=where)
            aside.replace(local)
        finally:
            aside.unlink(missing_ok=True)

    def _remove(self, aside: str) -> None:
        """Remove a file that never became whole, if the device can still be reached."""
        for _ in range(2):  # the connection may have been breaking; then a new one is tried
            try:
                self._run(["rm", "-f", "--", aside], timeout=_CLEANUP_SECONDS)
            except EdgeqError:
                self._session.close()
            else:
                return


def _feed(
    channel: "paramiko.Channel", chunks: Iterator[bytes], total: int, progress: Progress | None
) -> None:
    """Give the command its input; it may end before it has all, and its exit status will say why."""
    done = 0
    for chunk in chunks:
        try:
            channel.sendall(chunk)
        except OSError:
            return
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    channel.shutdown_write()


def _end_of(channel: "paramiko.Channel") -> tuple[bytes, bytes, int]:
    """What the command wrote last on either stream, and its exit code.

    Raises:
        EOFError: the connection ended before it.
    """
    texts = []
    for receive in (channel.recv, channel.recv_stderr):
        text = bytearray()
        while len(text) < WORDS and (received := receive(WORDS)):
            text += received
        texts.append(bytes(text))
    return texts[0], texts[1], exit_code_of(channel)
