"""Places to draw at, and when to take another job for them.

A job that is taken early is drawn before any that comes later, however fair that would be. So a worker takes one only
when a place is free or its draw is in the last step; where draws are quicker than taking jobs is, as many as fit into
AHEAD_S, so that nobody waits for longer than that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

AHEAD_S: Final = 0.05


class Place:
    """One draw's place, from its taking to its end."""

    def __init__(self, places: "Places") -> None:
        self._places = places
        self._is_counted = True

    @property
    def is_nearly_drawn(self) -> bool:
        """Whether this draw came to its last step."""
        return not self._is_counted

    def nearly_drawn(self) -> None:
        """Count this draw no more: the next job may be taken."""
        if self._is_counted:
            self._is_counted = False
            self._places.uncount()


class Places:
    """As many places as draws may run at once, for at most `jobs_max` jobs that are taken."""

    def __init__(self, places: int, jobs_max: int) -> None:
        self._places = places
        self._ahead_max = jobs_max - places
        self._free = asyncio.Semaphore(places)
        self._undrawn = 0
        self._draw_s: float | None = None
        """How long the latest draw took that came to its last step. What was stopped, or never begun because its task had
        ended, says nothing of how long the next one takes."""
        self._has_changed = asyncio.Event()

    async def room(self) -> None:
        """Wait until another job should be taken."""
        while self._undrawn >= self._places + self._ahead:
            self._has_changed.clear()
            await self._has_changed.wait()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While a job that is to have a place later is prepared: it counts as undrawn, so that no more are taken."""
        self._undrawn += 1
        try:
            yield
        finally:
            self.uncount()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Place]:
        """A place, when one is free. Jobs get theirs in the order of their coming."""
        place = Place(self)
        self._undrawn += 1
        try:
            async with self._free:
                started_s = time.monotonic()
                yield place
                if place.is_nearly_drawn:
                    self._draw_s = time.monotonic() - started_s
        finally:
            place.nearly_drawn()

    def uncount(self) -> None:
        """One job less is undrawn."""
        self._undrawn -= 1
        self._has_changed.set()

    @property
    def _ahead(self) -> int:
        if self._draw_s is None:
            return 0
        return max(0, min(self._ahead_max, int(AHEAD_S * self._places / max(self._draw_s, 0.001))))
