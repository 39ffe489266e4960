"""Progress on stderr: one line for each step, and a line that is redrawn while something is copied."""

import os
import sys
import threading
import time

import click

_REDRAW_SECONDS = 0.2


class Terminal:
    """Where steps are announced; threads may share it. Quiet on request, plain when not a terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._redraws = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not quiet
        self._lock = threading.Lock()
        self._drawn = 0.0
        self._started = time.monotonic()

    def announce(self, text: str) -> None:
        """Say what is being done, with the seconds since the start."""
        if self._quiet:
            return
        elapsed = time.monotonic() - self._started
        with self._lock:
            clear = "\r\x1b[K" if self._redraws else ""
            click.echo(f"{clear}{click.style(f'[{elapsed:5.1f}s]', dim=True)} {text}", err=True)

    def progress(self, label: str, done: int, total: int) -> None:
        """Redraw the progress of a copy: bytes done and in total."""
        now = time.monotonic()
        if not self._redraws or total == 0 or (now - self._drawn < _REDRAW_SECONDS and done < total):
            return
        with self._lock:
            self._drawn = now
            filled = int(24 * done / total)
            bar = "#" * filled + "." * (24 - filled)
            end = "\r\x1b[K" if done >= total else ""
            click.echo(f"\r\x1b[K{label} [{bar}] {done / total:4.0%}{end}", err=True, nl=False)
