"""Names looked up without blocking the event loop or one of its threads.

The look-up is c-ares's: it waits in a thread of its own for all names together, so that slow ones hold up nobody, and
it can be given up at any moment. It sees every address of both families, also those behind aliases.

It does not judge what it finds, and it may find what it found before, for as long as the answer's lifetime allows.
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
"""Until a name server is asked again or another one is asked. c-ares doubles it with every try."""
TRIES_MAX: Final = 7
"""Enough to try for longer than an attempt lasts, however short c-ares makes the first wait."""
ADDRESSES_MAX: Final = 64
"""No receiver needs more, and judging thousands would hold up the event loop."""


class NameUnknown(Exception):
    """A name has no address, or absurdly many, or no name server knows."""


class Names:
    """Looks names up, with the system's name servers or with those given as `ip` or `ip:port`."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = tuple(_for_c_ares(text) for text in nameservers)
        self._resolver: aiodns.DNSResolver | None = None

    async def addresses(self, name: str) -> list[Address]:
        """All addresses of a name, the best first. With a dot at its end, search domains and /etc/hosts are left out.

        NameUnknown if there is none, TimeoutError if c-ares gives up before the caller does.
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
        """Give up what is being looked up, and stop."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _running_resolver(self) -> aiodns.DNSResolver:
        if self._resolver is None:
            loop = asyncio.get_running_loop()
            self._resolver = aiodns.DNSResolver(self._nameservers or None, loop, timeout=TRY_TIMEOUT_S, tries=TRIES_MAX)
        return self._resolver


def _for_c_ares(text: str) -> str:
    """A name server as c-ares reads it. ValueError for what is none."""
    address, port = name_server(text)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
