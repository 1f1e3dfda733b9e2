"""How much one client may have open, and who a client is for the limits that go by address."""

from collections import Counter
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from starlette.requests import Request

from easel.domain.api_key import Holder
from easel.domain.callback import Network
from easel.domain.errors import RateLimitExceeded

_IPV6_SITE_BITS: Final = 64
RETRY_AFTER_S: Final = 5
"""What a client is told that has too much open. When it will have less is up to the client."""


def site(request: Request) -> str:
    """Who a client is, as far as its address tells: all of IPv4, and of IPv6 the part that one customer has.

    Whoever has no address, since a proxy hides it or a client makes one up, is one and the same.
    """
    return site_of(request.client.host if request.client is not None else "")


def site_of(host: str) -> str:
    """The same for an address."""
    address = _address(host)
    if address is None:
        return ""
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> _IPV6_SITE_BITS << _IPV6_SITE_BITS))
    return str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class Places:
    """A limit on what each of many has open at once."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._taken: Counter[Hashable] = Counter()

    def take(self, who: Hashable) -> bool:
        """Take a place; False when there is none left."""
        if self._taken[who] >= self._count_max:
            return False
        self._taken[who] += 1
        return True

    def give_back(self, who: Hashable) -> None:
        """Give a place back."""
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]


class AddressPlaces:
    """A limit on what each client address has open at once. Trusted proxies have no limit: they speak for many."""

    def __init__(self, count_max: int, trusted_proxies: Sequence[Network]) -> None:
        self._places = Places(count_max)
        self._trusted_proxies = trusted_proxies

    def take(self, host: str) -> bool:
        """Take a place; False when there is none left."""
        return self._is_trusted(host) or self._places.take(site_of(host))

    def give_back(self, host: str) -> None:
        """Give a place back."""
        if not self._is_trusted(host):
            self._places.give_back(site_of(host))

    def _is_trusted(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self._trusted_proxies)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many event streams and waiting requests may be open at once, in one process."""

    per_key_max: int
    per_address_max: int
    trusted_proxies: Sequence[Network] = ()


class Streams:
    """The event streams and waiting requests of one process."""

    def __init__(self, limits: StreamLimits) -> None:
        self._keys = Places(limits.per_key_max)
        self._addresses = AddressPlaces(limits.per_address_max, limits.trusted_proxies)

    def open(self, request: Request, holder: Holder) -> ExitStack:
        """Count one more, until what this returns is closed. Raises RateLimitExceeded."""
        host = request.client.host if request.client is not None else ""
        with ExitStack() as opened:
            if not self._keys.take(holder.api_key_id):
                raise RateLimitExceeded(RETRY_AFTER_S)
            opened.callback(self._keys.give_back, holder.api_key_id)
            if not self._addresses.take(host):
                raise RateLimitExceeded(RETRY_AFTER_S)
            opened.callback(self._addresses.give_back, host)
            return opened.pop_all()
