"""Resolves names without blocking the event loop or one of its threads.

c-ares does the lookups. It waits for all of them in one thread of its own, so slow lookups delay no others, and a
lookup can be abandoned at any moment. It finds every address of both families, including those behind aliases.

The addresses are not checked here. They may come from a cache, for as long as their lifetime allows.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

import aiodns

from easel.domain.callback import Address
from easel.domain.name_server import name_server

TRY_TIMEOUT_S: Final = 2.0
"""The wait before the same or another name server is asked again. c-ares doubles it with every try."""
TRIES_MAX: Final = 7
"""Enough to outlast an attempt, however short c-ares makes the first wait."""
ADDRESSES_MAX: Final = 64
"""No receiver needs more, and checking thousands would block the event loop."""


class NameUnknown(Exception):
    """The name has no address, has too many, or could not be resolved."""


class Names:
    """Resolves names with the system's name servers, or with those given as `ip` or `ip:port`."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = tuple(_for_c_ares(text) for text in nameservers)
        self._resolver: aiodns.DNSResolver | None = None

    async def addresses(self, name: str) -> list[Address]:
        """All addresses of a name, the best first. A dot at its end excludes search domains and /etc/hosts.

        Raises NameUnknown, and TimeoutError if c-ares gives up before the caller does.
        """
        try:
            found = await self._running_resolver().getaddrinfo(name, socket.AF_UNSPEC, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            if error.args[0] == aiodns.error.ARES_ETIMEOUT:
                raise TimeoutError(name) from None
            raise NameUnknown(name) from None
        if not 1 <= len(found.nodes) <= ADDRESSES_MAX:
            raise NameUnknown(name)
        return [ipaddress.ip_address(node.addr[0].decode("ascii")) for node in found.nodes]

    async def close(self) -> None:
        """Abandon all lookups and stop."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _running_resolver(self) -> aiodns.DNSResolver:
        if self._resolver is None:
            loop = asyncio.get_running_loop()
            self._resolver = aiodns.DNSResolver(self._nameservers or None, loop, timeout=TRY_TIMEOUT_S, tries=TRIES_MAX)
        return self._resolver


def _for_c_ares(text: str) -> str:
    """A name server in c-ares's notation. Raises ValueError."""
    address, port = name_server(text)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
