"""How much a search may try: so many new trials, and none begun after so long."""

import time


class Budget:
    """`trials` and `seconds` from now on; None for no limit. What is in the journal costs nothing."""

    def __init__(self, trials: int | None = None, seconds: float | None = None) -> None:
        self._trials = trials
        self._seconds = seconds
        self._started = time.monotonic()
        self.made = 0

    def __str__(self) -> str:
        """As it is said before the search begins."""
        limits = [
            *([f"{self._trials} new trials at most"] if self._trials is not None else []),
            *([f"none begun after {self._seconds / 60:.3g} min"] if self._seconds is not None else []),
        ]
        return ", ".join(limits) or "no limit of trials or time"

    def lasts(self) -> bool:
        """Whether another trial may begin."""
        is_spent = self._trials is not None and self.made >= self._trials
        is_late = self._seconds is not None and time.monotonic() - self._started >= self._seconds
        return not (is_spent or is_late)
