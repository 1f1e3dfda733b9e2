"""A limit that each process keeps for itself, in memory: how often somebody may ask for something.

It is exact in one process, and so many times as lax as there are processes. What must be exact everywhere stands in the
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
    """One quota for each of many, unless somebody has one of their own. `clock` gives seconds; should it be set back,
    nobody has to wait for longer than a window."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._clock = clock
        self._used_until_s: OrderedDict[Hashable, float] = OrderedDict()

    def standing(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """Where somebody stands now."""
        now_s = self._clock()
        return Standing.measured(quota or self._quota, self._used_until_s.get(who, now_s) - now_s)

    def take(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """Count one more. Raises RateLimitExceeded, and then does not."""
        standing = self.standing(who, quota)
        after = standing.taking()
        if after is None:
            if who in self._used_until_s:
                # What was measured as a window is one from now on.
                self._used_until_s[who] = min(self._used_until_s[who], self._clock() + standing.used_for_s)
            raise RateLimitExceeded(standing.retry_after_s(), standing)
        self._used_until_s[who] = self._clock() + after.used_for_s
        # Those who came longest ago stand first.
        self._used_until_s.move_to_end(who)
        if len(self._used_until_s) > REMEMBERED_MAX:
            self._used_until_s.popitem(last=False)
        return after
