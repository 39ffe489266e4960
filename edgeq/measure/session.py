"""Devices that one command measures on: each in a thread of its own, each trusted with its own runs only.

A Run is handed over as soon as it exists. A device that was lost is opened once more; what fails then costs
that device's runs and no other's.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType

from msgspec.structs import replace

from edgeq.devices.link import Progress
from edgeq.devices.profile import DeviceProfile
from edgeq.errors import DeviceUnreachable, EdgeqError, InputError
from edgeq.measure.choices import Choices, resolve_spec
from edgeq.measure.device import Announce, DeviceSession, Outcome
from edgeq.measure.passes import Subject
from edgeq.results.records import RunWarning, Spec
from edgeq.results.sweep import Setting

Keep = Callable[[Outcome], None]

# A link that broke is given so long before it is tried again.
_PAUSE_SECONDS = 2.0
_TRIED_AGAIN = RunWarning(
    code="tried-again",
    message="the link to the device broke in the first attempt at this run; this is the second",
)


class Sessions:
    """The devices that one command has open; another thread can let go of them all."""

    def __init__(self) -> None:
        self._open: list[tuple[DeviceSession, ExitStack]] = []
        self._lock = threading.Lock()
        self._aborted = False

    def measure_device(
        self,
        profile: DeviceProfile,
        subjects: Sequence[Subject],
        choices: Choices,
        *,
        announce: Announce,
        keep: Keep,
        progress: Progress | None = None,
    ) -> None:
        """Measure every subject on one device; `keep` gets each Outcome as soon as it exists.

        Raises:
            InputError: nothing was opened, because what was asked cannot be done.
        """
        spec = resolve_spec(profile, choices)
        session = DeviceSession(
            profile,
            spec,
            subjects,
            wait=choices.wait,
            tune=choices.tune,
            announce=announce,
            progress=progress,
            apk=choices.apk,
        )
        queue = _Queue(subjects, keep)
        try:
            session.prepare()
            while True:
                try:
                    self._measure(session, queue, choices, announce)
                    return
                except EdgeqError as error:
                    if self._aborted or not queue.may_retry(error):
                        raise
                    announce(f"{error.message}; trying once more")
                    time.sleep(_PAUSE_SECONDS)
        except InputError:
            raise
        except EdgeqError as error:
            if not self._aborted:
                queue.give_up(session, error)

    def _measure(self, session: DeviceSession, queue: "_Queue", choices: Choices, announce: Announce) -> None:
        """Measure what waits in one opening of the device; raises what ended the link."""
        with _ClosedOnce() as stack:
            with self._lock:
                self._open.append((session, stack))
            if not self._aborted:
                session.open(stack)
            if choices.paired is not None and not self._aborted:
                specs = _specs(session.spec, choices.settings, len(queue.waiting))
                announce(f"measuring {_name_all(queue.waiting)} in rounds")
                entries = list(zip(queue.waiting, specs, strict=True))
                outcomes = session.measure_rounds(entries, choices.paired)
                if not self._aborted:
                    queue.take(*outcomes)
            while queue.waiting and not self._aborted:
                announce(f"measuring {queue.waiting[0].artifact.label}")
                outcome = session.measure(queue.waiting[0])
                if not self._aborted:
                    queue.take(outcome)

    def abort(self) -> None:
        """Close every device now, all at once; the threads that use them come to their end."""
        with self._lock:
            self._aborted = True
            opened = list(self._open)

        def close(session: DeviceSession, stack: ExitStack) -> None:
            with suppress(EdgeqError):
                session.let_go()
                stack.close()

        closing = [threading.Thread(target=close, args=pair) for pair in opened]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()


class _ClosedOnce(ExitStack):
    """A stack that two threads may close: the second waits until the first is through.

    Else one could close the link under the other, which is putting something back over it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Undo what was entered, last first, once."""
        with self._turn:
            return bool(super().__exit__(kind, error, trace))


def _specs(spec: Spec, settings: Sequence[Setting], count: int) -> list[Spec]:
    if not settings:
        return [spec] * count
    return [replace(spec, threads=setting.threads, cpus=setting.cpus) for setting in settings]


def _name_all(subjects: Sequence[Subject]) -> str:
    return ", ".join(dict.fromkeys(subject.artifact.label for subject in subjects))


class _Queue:
    """Subjects that wait for one device, and what is known of a first attempt that broke off."""

    def __init__(self, subjects: Sequence[Subject], keep: Keep) -> None:
        self.waiting = list(subjects)
        self._keep = keep
        self._tried_again = False
        self._broken: tuple[Outcome, ...] = ()

    def take(self, *outcomes: Outcome) -> None:
        """Keep outcomes that belong together: of one subject, or of all that ran in rounds.

        Raises:
            DeviceUnreachable: the link broke in them; they are kept only if nothing better comes.
        """
        for outcome in outcomes:
            if isinstance(outcome.error, DeviceUnreachable):
                self._broken = outcomes
                raise outcome.error
        again = (_TRIED_AGAIN,) if self._broken else ()
        for outcome in outcomes:
            run = replace(outcome.run, warnings=(*outcome.run.warnings, *again))
            self._finish(Outcome(run, outcome.error))

    def may_retry(self, error: EdgeqError) -> bool:
        """Whether to open the device again after `error`: once, and if it can help."""
        first, self._tried_again = not self._tried_again, True
        return first and error.transient

    def give_up(self, session: DeviceSession, error: EdgeqError) -> None:
        """The device is lost: what broke off keeps what was measured, the others have nothing."""
        for outcome in self._broken:
            self._finish(outcome)
        while self.waiting:
            self._finish(session.fail(self.waiting[0], error))

    def _finish(self, outcome: Outcome) -> None:
        self.waiting.pop(0)
        self._broken = ()
        self._keep(outcome)
