"""Connections that are kept open for a moment after an answer, for the next request to the same receiver.

A connection is only taken for the host and port that it was opened for, whose certificate it has checked, and only if
its address is among those that the host has now, all of which the caller has checked. So keeping it relaxes no rule
about addresses. A certificate is checked again at the latest after LIFETIME_S.

A receiver may close a kept connection at any time, so a request on one may fail although the receiver works.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from easel.domain.callback import Address
from easel.outside.safe_http.connection import TlsConnection

IDLE_S: Final = 2.0
"""How long a connection is kept without a request. Shorter than the patience of usual receivers (5 s and more), so that
they rarely close one just as it is taken. With fewer requests than that, connecting costs nothing to speak of."""
LIFETIME_S: Final = 30.0
"""How long after it was opened a connection may still be taken."""
KEPT_MAX: Final = 64
"""Connections kept at once, for all receivers together. Beyond it, the one that has waited longest is closed."""
Peer: TypeAlias = tuple[str, int]
"""A host and a port."""


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """An open connection to a peer at an address. `opened_at_s` is a time of the event loop."""

    connection: TlsConnection
    peer: Peer
    address: Address
    opened_at_s: float


class KeptConnections:
    """The kept connections of one event loop."""

    def __init__(self, idle_s: float = IDLE_S, lifetime_s: float = LIFETIME_S, kept_max: int = KEPT_MAX) -> None:
        self._idle_s = idle_s
        self._lifetime_s = lifetime_s
        self._kept_max = kept_max
        self._kept: dict[Open, asyncio.TimerHandle] = {}
        """In the order in which they were kept."""

    def take(self, peer: Peer, addresses: Collection[Address]) -> Open | None:
        """The connection to this peer that was kept last and is still usable. Closes those that are not."""
        now_s = asyncio.get_running_loop().time()
        for kept in reversed([each for each in self._kept if each.peer == peer]):
            self._kept.pop(kept).cancel()
            if now_s - kept.opened_at_s < self._lifetime_s and kept.address in addresses and kept.connection.is_quiet():
                return kept
            kept.connection.close()
        return None

    def keep(self, used: Open) -> None:
        """Keep a connection, or close it if it is too old."""
        loop = asyncio.get_running_loop()
        left_s = used.opened_at_s + self._lifetime_s - loop.time()
        if left_s <= 0:
            used.connection.close()
            return
        if len(self._kept) >= self._kept_max:
            self._close(next(iter(self._kept)))
        self._kept[used] = loop.call_later(min(self._idle_s, left_s), self._close, used)

    def close(self) -> None:
        """Close all."""
        for kept in list(self._kept):
            self._close(kept)

    def _close(self, kept: Open) -> None:
        self._kept.pop(kept).cancel()
        kept.connection.close()
