"""A small TCP proxy that misbehaves when it is told to: it drops, stalls or refuses connections."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

_CHUNK = 1 << 14


class Proxy:
    """Listens on a port of its own and passes everything on to `target`, counting bytes both ways."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.passed = 0
        self._left: int | None = None
        self._then = "drop"
        self._refuses = self._stalls = False
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    @contextlib.contextmanager
    def broken(self, after: int, then: str) -> Iterator[None]:
        """Break the link when `after` more bytes have passed, and refuse every connection from then on.

        `then` says how: `drop` ends connections without a word (RST), `stall` passes nothing on any more.
        """
        with self._lock:
            self._left, self._then = after, then
        try:
            yield
        finally:
            with self._lock:
                self._left, self._refuses, self._stalls = None, False, False
            self._drop_all()

    @contextlib.contextmanager
    def broken_once(self, after: int) -> Iterator[None]:
        """Drop the connections of the moment when `after` more bytes have passed; new ones are fine."""
        with self._lock:
            self._left, self._then = after, "once"
        try:
            yield
        finally:
            with self._lock:
                self._left = None

    @property
    def has_broken(self) -> bool:
        """Whether the break came that was asked for."""
        with self._lock:
            return self._left is not None and self._left <= 0

    def close(self) -> None:
        """End it with all connections."""
        self._listener.close()
        self._drop_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                _reset(client)
                continue
            try:
                server = socket.create_connection(self.target, 10)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(_CHUNK):
                self._count(len(chunk))
                while self._stalls:
                    time.sleep(0.05)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # a killed process ends its connection so when it had not read all of it
            _reset(sink)

    def _count(self, size: int) -> None:
        with self._lock:
            self.passed += size
            if self._left is None or self._left <= 0:
                return
            self._left -= size
            if self._left > 0:
                return
            self._refuses = self._then != "once"
            self._stalls = self._then == "stall"
        if not self._stalls:
            self._drop_all()

    def _drop_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            _reset(each)


def _reset(connection: socket.socket) -> None:
    """Close it so that the other side gets an error, not an end: with SO_LINGER of zero seconds."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.shutdown(socket.SHUT_RD)
    connection.close()
