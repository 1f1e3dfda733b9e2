"""Limits that each process keeps for itself, in memory: how often somebody may ask, and fail to show a key.

They are exact in one process, and so many times as lax as there are processes. What must be exact everywhere stands
in the database.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.requests import Request

from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota, Standing

REMEMBERED_MAX: Final = 50_000
_IPV6_SITE_BITS: Final = 64


class RateLimiter:
    """One quota for each of many."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._used_until_s: OrderedDict[Hashable, float] = OrderedDict()

    def standing(self, who: Hashable) -> Standing:
        """Where somebody stands now."""
        return Standing(self._quota, max(0.0, self._used_until_s.get(who, 0.0) - time.monotonic()))

    def take(self, who: Hashable) -> Standing:
        """Count one more. Raises RateLimitExceeded, and then does not."""
        standing = self.standing(who)
        after = standing.taking()
        if after is None:
            raise RateLimitExceeded(standing.retry_after_s(), standing)
        self._used_until_s[who] = time.monotonic() + after.used_for_s
        # Those who came longest ago stand first.
        self._used_until_s.move_to_end(who)
        if len(self._used_until_s) > REMEMBERED_MAX:
            self._used_until_s.popitem(last=False)
        return after


def site(request: Request) -> str:
    """Who a client is, as far as its address tells: all of IPv4, and of IPv6 the part that one customer has.

    Whoever has no address, since a proxy hides it or a client makes one up, is one and the same.
    """
    try:
        address = ip_address(request.client.host if request.client is not None else "")
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> _IPV6_SITE_BITS << _IPV6_SITE_BITS))
