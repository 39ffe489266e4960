"""What commands write, taken in with limits: a device may write anything, and without end."""

import time
from collections.abc import Callable

from edgeq.errors import DeviceError
from edgeq.units import format_quantity

# Most bytes of one stream of one command that are kept; a command that writes more is an error.
OUTPUT_LIMIT = 256_000_000
# Most bytes of a line, for a command that is talked with.
LINE_LIMIT = 1_000_000
CHUNK = 1 << 16


class Output:
    """One of a command's two output streams, as far as it has come."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.overflowed = False

    def add(self, chunk: bytes) -> None:
        """Keep what came, until it is too much."""
        self.overflowed = self.overflowed or len(self.data) + len(chunk) > OUTPUT_LIMIT
        if not self.overflowed:
            self.data += chunk


class Lines:
    """The lines of a stream that comes in pieces.

    `receive` gives the next piece within so many seconds, or nothing at the end, or raises TimeoutError.
    """

    def __init__(self, receive: Callable[[float], bytes]) -> None:
        self._receive = receive
        self._rest = bytearray()
        self._ended = False

    def next(self, timeout: float) -> bytes:
        """The next line without its newline; what comes last need not have one.

        Raises:
            EOFError: there is no other line.
            TimeoutError: it did not come within `timeout` seconds; it may be asked for again.
            DeviceError: it is too long to be one.
        """
        until = time.monotonic() + timeout
        while b"\n" not in self._rest and not self._ended:
            chunk = self._receive(max(0.0, until - time.monotonic()))
            self._ended = not chunk
            self._rest += chunk
            if len(self._rest) > LINE_LIMIT and b"\n" not in self._rest:
                raise DeviceError(f"a line of more than {format_quantity(LINE_LIMIT, 'B')} came")
        if not self._rest:
            raise EOFError
        line, _, rest = self._rest.partition(b"\n")
        self._rest = rest
        return bytes(line)


def too_much(what: str, where: str) -> DeviceError:
    """The error of a command that wrote without end."""
    limit = format_quantity(OUTPUT_LIMIT, "B")
    return DeviceError(f"{what} on {where} wrote more than {limit}; it was stopped")
