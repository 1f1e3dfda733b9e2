"""A limit that each process keeps for itself, in memory: how often somebody may ask for something.

It is exact in one process, and so many times as lax as there are processes. What must be exact everywhere stands in the
database.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota, Standing

REMEMBERED_MAX: Final = 50_000


class RateLimiter:
    """One quota for each of many, unless somebody has one of their own."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._used_until_s: OrderedDict[Hashable, float] = OrderedDict()

    def standing(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """Where somebody stands now."""
        return Standing(quota or self._quota, max(0.0, self._used_until_s.get(who, 0.0) - time.monotonic()))

    def take(self, who: Hashable, quota: Quota | None = None) -> Standing:
        """Count one more. Raises RateLimitExceeded, and then does not."""
        standing = self.standing(who, quota)
        after = standing.taking()
        if after is None:
            raise RateLimitExceeded(standing.retry_after_s(), standing)
        self._used_until_s[who] = time.monotonic() + after.used_for_s
        # Those who came longest ago stand first.
        self._used_until_s.move_to_end(who)
        if len(self._used_until_s) > REMEMBERED_MAX:
            self._used_until_s.popitem(last=False)
        return after
