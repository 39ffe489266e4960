"""A faulty phone: speaks as much of adb's wire protocol as it takes to be refused, or cuts a real one off.

    faulty.py PORT deny | silent | old
    faulty.py PORT drop BYTES REAL | end BYTES REAL | stall BYTES REAL

`deny` asks for a key and accepts none (nobody taps Allow); `silent` takes the connection and says nothing;
`old` has no shell_v2, as before Android 7. The others stand between adb and the real adbd on port REAL: the
first connection is cut, or carries nothing more, after so many bytes in both directions together. Later ones
work; after `end` there are none.
Protocol: AOSP, packages/modules/adb, protocol.txt. Prints a line when it listens. Runs until SIGTERM; what
stands between prints the bytes that it has passed then.
"""

import contextlib
import itertools
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable

_HEADER = struct.Struct("<6I")
_TOKEN = 1


def _number(name: bytes) -> int:
    return int.from_bytes(name, "little")


def send(connection: socket.socket, name: bytes, first: int, second: int, data: bytes = b"") -> None:
    """Send one packet."""
    number = _number(name)
    head = _HEADER.pack(number, first, second, len(data), sum(data), number ^ 0xFFFFFFFF)
    connection.sendall(head + data)


def receive(connection: socket.socket) -> tuple[bytes, int, int]:
    """The next packet's name and arguments; its data is dropped."""
    head = connection.recv(_HEADER.size, socket.MSG_WAITALL)
    if len(head) < _HEADER.size:
        raise EOFError
    number, first, second, size, _, _ = _HEADER.unpack(head)
    connection.recv(size, socket.MSG_WAITALL)
    return number.to_bytes(4, "little"), first, second


def deny(connection: socket.socket) -> None:
    """Ask for a key again after each signature; a public key that comes waits for the user for ever."""
    while True:
        name, kind, _ = receive(connection)
        if name == b"CNXN" or (name == b"AUTH" and kind == 2):
            send(connection, b"AUTH", _TOKEN, 0, os.urandom(20))


def stay_silent(connection: socket.socket) -> None:
    """Answer nothing."""
    while True:
        receive(connection)


def be_old(connection: socket.socket) -> None:
    """Let anybody in, and refuse every service."""
    while True:
        name, stream, _ = receive(connection)
        if name == b"CNXN":
            banner = b"device::ro.product.name=old;ro.product.model=Old;ro.product.device=old;features=cmd"
            send(connection, b"CNXN", 0x01000000, 4096, banner)
        elif name == b"OPEN":
            send(connection, b"CLSE", 0, stream)


class Relay:
    """Passes bytes on to `port`, until those of the first connection are used up."""

    def __init__(self, port: int, limit: int, fault: str) -> None:
        self._port = port
        self._limit = limit
        self._fault = fault
        self._count = itertools.count()
        self.passed = 0
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Pass bytes in both directions."""
        left = self._limit if next(self._count) == 0 else None
        if left is None and self._fault == "end":
            return
        with socket.create_connection(("127.0.0.1", self._port)) as device:
            ends = (connection, device)
            state = [left]
            back = threading.Thread(target=self._pass, args=(device, connection, state, ends), daemon=True)
            back.start()
            self._pass(connection, device, state, ends)
            back.join()

    def _pass(
        self,
        source: socket.socket,
        sink: socket.socket,
        state: list[int | None],
        ends: tuple[socket.socket, ...],
    ) -> None:
        try:
            while chunk := source.recv(65536):
                with self._lock:
                    self.passed += len(chunk)
                    if state[0] is not None:
                        chunk = chunk[: state[0]]
                        state[0] -= len(chunk)
                sink.sendall(chunk)
                if state[0] == 0:
                    if self._fault == "stall":
                        threading.Event().wait()
                    break
        except OSError:  # the other end has gone
            pass
        for each in ends:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _serve(port: int, behave: Callable[[socket.socket], None]) -> None:
    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection)
            except (EOFError, OSError):
                return

    with socket.create_server(("127.0.0.1", port)) as listening:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            connection = listening.accept()[0]
            threading.Thread(target=talk, args=(connection,), daemon=True).start()


def _tell(relay: Relay) -> None:
    sys.stdout.write(f"{relay.passed}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[2] in ("drop", "end", "stall"):
        relay = Relay(int(sys.argv[4]), int(sys.argv[3]), sys.argv[2])
        signal.signal(signal.SIGTERM, lambda *_: _tell(relay))
        _serve(int(sys.argv[1]), relay.serve)
    _serve(int(sys.argv[1]), {"deny": deny, "silent": stay_silent, "old": be_old}[sys.argv[2]])
