"""Keeps the chatter of torch and executorch off the user's terminal; errors are not touched."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator

_CHATTY = ("", "torch", "torchao", "executorch")


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Within it Python warnings are ignored and the libraries' loggers let only errors through."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    # executorch calls logging.basicConfig when it is imported.
    handlers = list(logging.getLogger().handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logging.getLogger().handlers[:] = handlers
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def native_log() -> Iterator[Callable[[], str]]:
    """Within it what native code writes to stderr goes to a file; the callable gives what came so far."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)

        def read() -> str:
            return os.pread(log.fileno(), 1 << 16, 0).decode(errors="replace")

        try:
            yield read
        finally:
            os.dup2(kept, 2)
            os.close(kept)
