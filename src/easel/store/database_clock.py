"""The database's time as this process knows it: read from time to time, and advanced by the monotonic clock in between.

All processes of a service share one database and so one clock, whatever their machines' clocks say. After the
database's clock is set, the time is right again within a second.
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

    def advanced_to(self, now_s: float) -> datetime:
        return self.time + timedelta(seconds=now_s - self.at_s)


class DatabaseClock:
    """One process's copy of the clock. `read` asks the database and returns None while it is unavailable; `monotonic`
    returns seconds."""

    def __init__(
        self, read: Callable[[], Awaitable[datetime | None]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._reading: _Reading | None = None
        self._asking = asyncio.Lock()

    async def now(self) -> datetime | None:
        """The time; None before the first reading. While the database is unavailable, advances the last reading."""
        if self._is_outdated():
            async with self._asking:
                if self._is_outdated():
                    await self._ask()
        return None if self._reading is None else self._reading.advanced_to(self._monotonic())

    def known(self) -> datetime | None:
        """The time by the last reading, however old; None before the first one. Never asks."""
        return None if self._reading is None else self._reading.advanced_to(self._monotonic())

    def note(self, read: datetime) -> None:
        """Take over a time that the database has just told for another reason."""
        self._reading = _Reading(read, self._monotonic())

    def _is_outdated(self) -> bool:
        return self._reading is None or self._monotonic() - self._reading.at_s > READING_LIFETIME_S

    async def _ask(self) -> None:
        asked_at_s = self._monotonic()
        read = await self._read()
        answered_at_s = self._monotonic()
        if read is not None:
            # The server read its clock somewhere between the request and the response.
            self._reading = _Reading(read, (asked_at_s + answered_at_s) / 2)
        elif self._reading is not None:
            # Callers that waited for this attempt need not make their own.
            self._reading = _Reading(self._reading.advanced_to(answered_at_s), answered_at_s)
