"""Runs trials in processes of their own, side by side; with one, in this process.

Children end with this process, also when it is killed.
"""

import concurrent.futures
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from edgeq.compile.silence import silence
from edgeq.errors import HostError

# A function that can be sent to another process, and its arguments.
Call = tuple[Callable[..., Any], tuple[Any, ...]]


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Crew:
    """So many processes, started when they are needed."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if error is not None:  # what still runs is of no use
            for child in multiprocessing.active_children():
                child.terminate()
        self._pool.shutdown(cancel_futures=True)

    def run(self, calls: Sequence[Call], goes_on: Callable[[], bool]) -> Iterator[tuple[int, Any]]:
        """The place and the result of each call, as it ends; none is begun when `goes_on` says no.

        Raises:
            HostError: a process was killed.
        """
        if self.jobs == 1 or len(calls) == 1:
            for place, (function, arguments) in enumerate(calls):
                if not goes_on():
                    return
                yield place, function(*arguments)
            return
        self._pool = self._pool or self._start()
        waiting = list(enumerate(calls))[::-1]
        running: dict[concurrent.futures.Future[Any], int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs and goes_on():
                    place, (function, arguments) = waiting.pop()
                    running[self._pool.submit(function, *arguments)] = place
                if not running:
                    return
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise HostError(
                "a process of the search was killed; this machine may be short of memory",
                hint="try --jobs 1: the search goes on where it was",
            ) from error

    def _start(self) -> concurrent.futures.ProcessPoolExecutor:
        # Not fork: torch's threads do not survive it.
        context = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_prepare)


def _prepare() -> None:
    """In a child: leave Ctrl-C to the parent, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a child

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    # torch sets its loggers up when it is imported, so before they are silenced for torchao.
    importlib.import_module("torch")
    with silence():
        importlib.import_module("edgeq.compile.search.trial")
