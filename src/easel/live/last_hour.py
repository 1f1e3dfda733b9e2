"""Counts what happened in the last hour, in minutes. The memory that it takes does not grow with what it counts.

The count is exact to a minute: it covers the last 59 to 60 minutes.
"""

from typing import Final

MINUTES: Final = 60
_MINUTE_S: Final = 60.0


class LastHour:
    """A count for each of the last minutes. Times are those of any clock that does not run backwards."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, now_s: float) -> None:
        """Count one event that happens now."""
        minute = int(now_s // _MINUTE_S)
        self._counts[minute] = self._counts.get(minute, 0) + 1
        self._forget(minute)

    def total(self, now_s: float) -> int:
        """How many events the last hour had."""
        self._forget(int(now_s // _MINUTE_S))
        return sum(self._counts.values())

    def _forget(self, minute: int) -> None:
        for old in [each for each in self._counts if each <= minute - MINUTES]:
            del self._counts[old]
