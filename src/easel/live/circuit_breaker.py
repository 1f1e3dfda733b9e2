"""The circuit breaker of an engine: after many failures in a row, its worker takes no tasks for a while.

Without it, an engine that fails at once would fail the whole queue within seconds. After each pause the engine is tried
out. If it draws, tasks are taken again. The first failure after that opens the circuit again, for longer, and the first
success forgets all failures.
"""

from typing import Final

FAILURES_MAX: Final = 5
PAUSES_S: Final = (5.0, 15.0, 60.0, 300.0)
"""How long it stays open until the engine is tried out: the first time, the second time, …"""


class CircuitBreaker:
    """Counts the failures of one engine. `failures_max` in a row open the circuit."""

    def __init__(self, failures_max: int = FAILURES_MAX) -> None:
        self._failures_max = failures_max
        self._failures = 0
        self._openings = 0
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why no tasks may be taken: the latest failure. None if they may."""
        return self._reason

    @property
    def pause_s(self) -> float:
        """How long to wait before the engine is tried out."""
        return PAUSES_S[min(max(self._openings, 1), len(PAUSES_S)) - 1]

    def failed(self, reason: str) -> bool:
        """A drawing failed. Returns True if this opened the circuit."""
        self._failures += 1
        if self._reason is not None or self._failures < self._failures_max:
            return False
        self._open(reason)
        return True

    def succeeded(self) -> None:
        """A drawing succeeded."""
        self._failures = 0
        self._openings = 0
        self._reason = None

    def trial_failed(self, reason: str) -> None:
        """The engine was tried out and failed."""
        self._open(reason)

    def trial_passed(self) -> None:
        """The engine was tried out and drew."""
        self._failures = self._failures_max - 1
        self._reason = None

    def _open(self, reason: str) -> None:
        self._openings += 1
        self._reason = reason
