"""One SSH connection that opens on first use: channels on it, with deadlines and signs of life."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

from edgeq.devices.ssh.client import OPEN_SECONDS, open_client
from edgeq.devices.ssh.target import SshTarget
from edgeq.errors import DeadlineError, DeviceUnreachable

if TYPE_CHECKING:
    import paramiko

# A command whose deadline has passed gets SIGTERM, a second later SIGKILL; then the connection is given up.
_END_SECONDS = 5.0
# As an SSH client asks (ssh_config(5), ServerAliveInterval); every server answers, most of them "unknown".
_ALIVE = "keepalive@openssh.com"


class SshSession:
    """A connection to one device; after `close` the next use opens another."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._client: paramiko.SSHClient | None = None
        self._is_silent = False

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> "paramiko.SSHClient":
        # Another thread that lets go of a connection closes it first: what has no transport is closed.
        if self._client is None or self._client.get_transport() is None:
            self._is_silent = False
            self._client = open_client(self.target)
            if self.target.silence is not None:
                watch = threading.Thread(
                    target=self._watch, args=(self._client, self.target.silence), name="alive", daemon=True
                )
                watch.start()
        return self._client

    def _watch(self, client: "paramiko.SSHClient", silence: float) -> None:
        """Close a connection on which the device has not answered for `silence` seconds."""
        transport = transport_of(client)

        def ask(answered: threading.Event) -> None:
            transport.global_request(_ALIVE, wait=True)
            answered.set()

        while not self._wait_closed(transport, silence / 4):
            answered = threading.Event()
            threading.Thread(target=ask, args=(answered,), name="alive?", daemon=True).start()
            if not answered.wait(silence * 3 / 4):
                self._is_silent = True
                client.close()

    @staticmethod
    def _wait_closed(transport: "paramiko.Transport", seconds: float) -> bool:
        transport.join(seconds)
        return not transport.is_active()

    @contextlib.contextmanager
    def channel(self, what: str, timeout: float) -> Iterator["paramiko.Channel"]:
        """A new session channel, closed at the end.

        Args:
            what: what it is for, for messages.
            timeout: seconds for opening it.

        Raises:
            DeviceUnreachable: the link broke.
        """
        transport = transport_of(self._connect())
        with self._explained(what):
            channel = transport.open_session(timeout=min(timeout, OPEN_SECONDS))
        with self._explained(what), contextlib.closing(channel):
            yield channel

    @contextlib.contextmanager
    def command(self, what: str, timeout: float) -> Iterator["paramiko.Channel"]:
        """A new session channel for a command that ends when its input does; at the deadline its input ends.

        Raises:
            DeadlineError: it did not end within `timeout` seconds, and was ended.
            DeviceUnreachable: the link broke.
        """
        expired = threading.Event()
        with (
            self.channel(what, timeout) as channel,
            self._explained(what, expired, timeout),
            self._deadline(timeout, channel.shutdown_write, expired),
        ):
            yield channel
        if expired.is_set():
            raise DeadlineError(
                f"{what} on {self.target.label} did not end within {timeout:g} s; it was stopped",
                hint="give it more time, or see what the device is busy with",
            )

    @contextlib.contextmanager
    def _explained(
        self, what: str, expired: threading.Event | None = None, timeout: float = 0.0
    ) -> Iterator[None]:
        """Say what an error of the connection means, and let go of it."""
        import paramiko

        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            if expired is None or not expired.is_set():
                self.fail(what, error)
            self.close()
            raise DeviceUnreachable(
                f"{what} on {self.target.label} did not end within {timeout:g} s",
                hint="check the connection to the device",
            ) from error

    @contextlib.contextmanager
    def _deadline(
        self, timeout: float, let_go: Callable[[], None], expired: threading.Event
    ) -> Iterator[None]:
        """Call `let_go` after `timeout` seconds, and close the connection when that does not help."""
        done = threading.Event()

        def say() -> None:
            # The connection may have gone; and where its buffers are full this waits with everybody else.
            with contextlib.suppress(Exception):
                let_go()

        def watch() -> None:
            if done.wait(timeout):
                return
            expired.set()
            threading.Thread(target=say, name="let go", daemon=True).start()
            if not done.wait(_END_SECONDS):
                self.close()

        threading.Thread(target=watch, name="deadline", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def fail(self, what: str, error: Exception) -> NoReturn:
        """The connection is of no more use: let go of it, so that the next call opens another."""
        self.close()
        said = error.strerror if isinstance(error, OSError) else None
        reason = said or str(error) or "the connection was closed"
        if self._is_silent:
            reason = f"it has not answered for {self.target.silence:g} s"
        raise DeviceUnreachable(f"{what}: lost {self.target.label}: {reason}") from error


def exit_code_of(channel: "paramiko.Channel") -> int:
    """What the command on a channel ended with, when all of its output has been read.

    Raises:
        EOFError: the connection ended before it, or a signal ended what supervises it.
    """
    code = channel.recv_exit_status()
    if code < 0:
        raise EOFError("no exit status came back" if channel.eof_received else "")
    return code


def transport_of(client: "paramiko.SSHClient") -> "paramiko.Transport":
    """The transport of a connected client."""
    transport = client.get_transport()
    assert transport is not None  # noqa: S101 - optional by its type only; a connected client has one
    return transport
