"""All connections of a process: how many each client network may have, and how much memory they may use together.

A connection holds the bytes of requests that are arriving or being answered, and of answers that the client has not
read yet. What an ordinary request needs is not counted. When all connections together hold too much, the one that has
held something for longest is closed: a client that sends whole requests and reads its answers holds much only for a
moment. `on_relief` is called when the connections hold nothing after having held over MUCH_BYTES. The log reports how
many connections were closed, at most every LOGGED_EVERY_S. With `shared`, a network's connections count in all web
processes of the machine together; the memory is that of this process.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from easel.domain.callback import Network
from easel.live import measured
from easel.live.shared_limits import SharedLimits
from easel.web.client_limits import AddressPlaces

log = structlog.get_logger(__name__)

HELD_BYTES_MAX: Final = 24 * 1024 * 1024
LOGGED_EVERY_S: Final = 5.0
MUCH_BYTES: Final = 4 * 1024 * 1024
"""Once connections have held this much, returning memory to the system is worthwhile."""


class Connection(Protocol):
    """A connection of the crowd."""

    def give_up(self) -> None:
        """Close at once and drop what is held. Must not change the crowd before returning."""


class Crowd:
    """The connections of one process."""

    def __init__(
        self,
        per_address_max: int,
        trusted_proxies: Sequence[Network],
        held_bytes_max: int = HELD_BYTES_MAX,
        on_relief: Callable[[], None] = lambda: None,
        shared: SharedLimits | None = None,
    ) -> None:
        of_addresses = None if shared is None else shared.places("connections of addresses")
        self._places = AddressPlaces(per_address_max, trusted_proxies, of_addresses)
        self._host_of: dict[Connection, str] = {}
        self._held_bytes_max = held_bytes_max
        # In the order in which the connections began to hold something.
        self._held_bytes: dict[Connection, int] = {}
        self._held_bytes_in_all = 0
        self._on_relief = on_relief
        self._has_held_much = False
        self._closed = 0
        self._logged_at_s = -math.inf

    def enter(self, connection: Connection, host: str) -> bool:
        """Count a new connection. Returns False if its network has too many."""
        if not self._places.take(host):
            measured.RATE_LIMITED.add("connections")
            return False
        self._host_of[connection] = host
        measured.CONNECTIONS.change(1)
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._forget(connection)
        host = self._host_of.pop(connection, None)
        if host is not None:
            measured.CONNECTIONS.change(-1)
            self._places.give_back(host)

    def note(self, connection: Connection, held_bytes: int) -> None:
        """Set how much a connection holds. If the total is then too large, connections are closed, perhaps this one."""
        if not held_bytes:
            self._forget(connection)
            return
        self._held_bytes_in_all += held_bytes - self._held_bytes.get(connection, 0)
        self._held_bytes[connection] = held_bytes
        self._has_held_much = self._has_held_much or self._held_bytes_in_all > MUCH_BYTES
        while self._held_bytes_in_all > self._held_bytes_max:
            longest = next(iter(self._held_bytes))
            self._forget(longest)
            longest.give_up()
            self._log_closed()

    def _log_closed(self) -> None:
        self._closed += 1
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= LOGGED_EVERY_S:
            log.warning(
                "connections_closed", count=self._closed, reason="all connections together hold too much memory"
            )
            self._closed, self._logged_at_s = 0, now_s

    def _forget(self, connection: Connection) -> None:
        self._held_bytes_in_all -= self._held_bytes.pop(connection, 0)
        if self._has_held_much and not self._held_bytes_in_all:
            self._has_held_much = False
            self._on_relief()
