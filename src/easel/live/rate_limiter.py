"""Limits how often each key or address may do something, in the memory of one process.

Each process counts for itself, so N processes together allow N times as much. Limits that must be exact are kept in the
database.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota, Standing

REMEMBERED_MAX: Final = 50_000


class RateLimiter:
    """The same quota for each caller, unless the call passes another. `clock` returns seconds. If it is set back, no
    caller waits longer than one window."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._clock = clock
        self._used_until_s: OrderedDict[Hashable, float] = OrderedDict()

    def standing(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """A caller's current standing."""
        now_s = self._clock()
        return Standing.measured(quota or self._quota, self._used_until_s.get(who, now_s) - now_s)

    def take(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """Count one more, or raise RateLimitExceeded without counting."""
        standing = self.standing(who, quota)
        after = standing.taking()
        if after is None:
            if who in self._used_until_s:
                # If the clock was set back, the wait is one window from now on.
                self._used_until_s[who] = min(self._used_until_s[who], self._clock() + standing.used_for_s)
            raise RateLimitExceeded(standing.retry_after_s(), standing)
        self._used_until_s[who] = self._clock() + after.used_for_s
        # The first entry is the one that was used longest ago.
        self._used_until_s.move_to_end(who)
        if len(self._used_until_s) > REMEMBERED_MAX:
            self._used_until_s.popitem(last=False)
        return after
