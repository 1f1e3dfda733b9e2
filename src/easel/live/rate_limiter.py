"""Limits how often each key or address may do something.

A limit counts in the memory of one process, or in memory that the web processes of one machine share
(`live/shared_limits.py`). N machines together allow N times as much. Limits that must be exact are kept in the
database.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Protocol

from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota, Standing

REMEMBERED_MAX: Final = 50_000


class Times(Protocol):
    """When each caller's whole quota will be available again."""

    def get(self, who: Hashable) -> float | None:
        """A caller's time; None if it is unknown."""

    def set(self, who: Hashable, until_s: float) -> None:
        """Remember a caller's time."""


class OwnTimes:
    """Times in the memory of this process. The caller that was counted longest ago is forgotten first."""

    def __init__(self) -> None:
        self._used_until_s: OrderedDict[Hashable, float] = OrderedDict()

    def get(self, who: Hashable) -> float | None:
        """A caller's time; None if it is unknown."""
        return self._used_until_s.get(who)

    def set(self, who: Hashable, until_s: float) -> None:
        """Remember a caller's time."""
        self._used_until_s[who] = until_s
        self._used_until_s.move_to_end(who)
        if len(self._used_until_s) > REMEMBERED_MAX:
            self._used_until_s.popitem(last=False)


class RateLimiter:
    """The same quota for each caller, unless the call passes another. `clock` returns seconds. If it is set back, no
    caller waits longer than one window."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic, times: Times | None = None) -> None:
        self._quota = quota
        self._clock = clock
        self._times = times or OwnTimes()

    def standing(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """A caller's current standing."""
        now_s = self._clock()
        used_until_s = self._times.get(who)
        return Standing.measured(quota or self._quota, 0.0 if used_until_s is None else used_until_s - now_s)

    def take(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """Count one more, or raise RateLimitExceeded without counting."""
        standing = self.standing(who, quota)
        after = standing.taking()
        if after is None:
            used_until_s = self._times.get(who)
            wait_until_s = self._clock() + standing.used_for_s
            if used_until_s is not None and used_until_s > wait_until_s:
                # If the clock was set back, the wait is one window from now on.
                self._times.set(who, wait_until_s)
            raise RateLimitExceeded(standing.retry_after_s(), standing)
        self._times.set(who, self._clock() + after.used_for_s)
        return after
