"""Limits on how many connections, streams and waiting requests one client may have open at once.

They count in this process, or in all web processes of the machine together (`live/shared_limits.py`).
"""

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
from easel.live.shared_limits import SharedLimits, SharedPlaces

_IPV6_NETWORK_BITS: Final = 64
"""The part of an IPv6 address that a provider assigns to one customer."""
RETRY_AFTER_S: Final = 5
"""Sent to a client that is over a limit. A guess, because only the client decides when it closes something."""


def client_network(request: Request) -> str:
    """The network that a client's limits apply to: its IPv4 address, or the first 64 bits of its IPv6 address.

    Clients whose address is missing or invalid, because a proxy hides or replaces it, share one network.
    """
    return network_of(_host(request))


def network_of(host: str) -> str:
    """The network of an address, as in `client_network`."""
    address = _address(host)
    if address is None:
        return ""
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> _IPV6_NETWORK_BITS << _IPV6_NETWORK_BITS))
    return str(address)


def _host(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class Places:
    """Counts what each client has open, and allows at most `count_max`."""

    def __init__(self, count_max: int, shared: SharedPlaces | None = None) -> None:
        self._count_max = count_max
        self._shared = shared
        self._taken: Counter[Hashable] = Counter()

    def take(self, client: Hashable) -> bool:
        """Take a place. Returns False if none is left."""
        self._taken[client] += 1
        # Noted before it is checked, so that processes that take a place at the same moment see each other.
        self._note(client)
        elsewhere = 0 if self._shared is None else self._shared.elsewhere(client)
        if self._taken[client] + elsewhere <= self._count_max:
            return True
        self.give_back(client)
        return False

    def give_back(self, client: Hashable) -> None:
        """Give a place back."""
        self._taken[client] -= 1
        self._note(client)
        if not self._taken[client]:
            del self._taken[client]

    def _note(self, client: Hashable) -> None:
        if self._shared is not None:
            self._shared.note(client, self._taken[client])


class AddressPlaces:
    """Like `Places`, for each client network. Trusted proxies have no limit, because they serve many clients."""

    def __init__(self, count_max: int, trusted_proxies: Sequence[Network], shared: SharedPlaces | None = None) -> None:
        self._places = Places(count_max, shared)
        self._trusted_proxies = trusted_proxies

    def take(self, host: str) -> bool:
        """Take a place. Returns False if none is left."""
        return self._is_trusted(host) or self._places.take(network_of(host))

    def give_back(self, host: str) -> None:
        """Give a place back."""
        if not self._is_trusted(host):
            self._places.give_back(network_of(host))

    def _is_trusted(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self._trusted_proxies)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many event streams and waiting requests may be open at once."""

    per_key_max: int
    per_address_max: int
    trusted_proxies: Sequence[Network] = ()


class Streams:
    """The event streams and waiting requests."""

    def __init__(self, limits: StreamLimits, shared: SharedLimits | None = None) -> None:
        of_keys = None if shared is None else shared.places("streams of keys")
        of_addresses = None if shared is None else shared.places("streams of addresses")
        self._keys = Places(limits.per_key_max, of_keys)
        self._addresses = AddressPlaces(limits.per_address_max, limits.trusted_proxies, of_addresses)

    def open(self, request: Request, holder: Holder) -> ExitStack:
        """Take a place until the returned stack is closed. Raises RateLimitExceeded."""
        host = _host(request)
        with ExitStack() as opened:
            if not self._keys.take(holder.api_key_id):
                raise RateLimitExceeded(RETRY_AFTER_S)
            opened.callback(self._keys.give_back, holder.api_key_id)
            if not self._addresses.take(host):
                raise RateLimitExceeded(RETRY_AFTER_S)
            opened.callback(self._addresses.give_back, host)
            return opened.pop_all()
