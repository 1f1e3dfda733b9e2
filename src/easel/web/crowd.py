"""All connections of a process: how many each address may have, and how many bytes they may hold together.

A connection holds bytes when requests have arrived that are not parsed yet, and when answers are ready that the client
has not taken yet. When all of them together hold too much, the connection that has done so for longest is given up:
whoever reads its answers holds them for a moment only.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from easel.domain.callback import Network
from easel.web.limits import AddressPlaces

HELD_BYTES_MAX: Final = 48 * 1024 * 1024


class Connection(Protocol):
    """One of the crowd."""

    def give_up(self) -> None:
        """Close at once, and forget what is held. It must not change the crowd before it returns."""


class Crowd:
    """The connections of one process."""

    def __init__(
        self, per_address_max: int, trusted_proxies: Sequence[Network], held_bytes_max: int = HELD_BYTES_MAX
    ) -> None:
        self._places = AddressPlaces(per_address_max, trusted_proxies)
        self._host_of: dict[Connection, str] = {}
        self._held_bytes_max = held_bytes_max
        # In the order in which they began to hold something.
        self._held_bytes: dict[Connection, int] = {}
        self._held_bytes_in_all = 0

    def enter(self, connection: Connection, host: str) -> bool:
        """Count a new connection; False when its address has too many."""
        if not self._places.take(host):
            return False
        self._host_of[connection] = host
        return True

    def leave(self, connection: Connection) -> None:
        """A connection is closed."""
        self._forget(connection)
        host = self._host_of.pop(connection, None)
        if host is not None:
            self._places.give_back(host)

    def note(self, connection: Connection, held_bytes: int) -> None:
        """A connection now holds that much. It may be given up for that, and so may others."""
        if not held_bytes:
            self._forget(connection)
            return
        self._held_bytes_in_all += held_bytes - self._held_bytes.get(connection, 0)
        self._held_bytes[connection] = held_bytes
        while self._held_bytes_in_all > self._held_bytes_max:
            longest = next(iter(self._held_bytes))
            self._forget(longest)
            longest.give_up()

    def _forget(self, connection: Connection) -> None:
        self._held_bytes_in_all -= self._held_bytes.pop(connection, 0)
