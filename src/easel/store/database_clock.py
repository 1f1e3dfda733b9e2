"""The database's time, as this process knows it: read now and then, and counted on in between by a clock that nobody sets.

All processes of a service share one database and so one clock, whatever their machines' own clocks say. It is right
within a second after the database's clock was set.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

READING_LIFETIME_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Reading:
    time: datetime
    at_s: float

    def counted_on(self, now_s: float) -> datetime:
        return self.time + timedelta(seconds=now_s - self.at_s)


class DatabaseClock:
    """One process's reading. `read` asks the database, and gives None while it is away; `monotonic` gives seconds."""

    def __init__(
        self, read: Callable[[], Awaitable[datetime | None]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._reading: _Reading | None = None
        self._asking = asyncio.Lock()

    async def now(self) -> datetime | None:
        """The time; None as long as there was no reading. While the database is away the last one is counted on."""
        async with self._asking:
            if self._reading is None or self._monotonic() - self._reading.at_s > READING_LIFETIME_S:
                await self._ask()
            return None if self._reading is None else self._reading.counted_on(self._monotonic())

    async def _ask(self) -> None:
        asked_at_s = self._monotonic()
        read = await self._read()
        answered_at_s = self._monotonic()
        if read is not None:
            # The server read it somewhere between the question and the answer.
            self._reading = _Reading(read, (asked_at_s + answered_at_s) / 2)
        elif self._reading is not None:
            # Those who wait for this answer need not ask in turn.
            self._reading = _Reading(self._reading.counted_on(answered_at_s), answered_at_s)
