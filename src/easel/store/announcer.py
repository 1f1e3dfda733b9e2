"""Announces after commits, many announcements in one statement, without delaying whoever announces.

What is announced while a statement is under way, or shortly after one, is sent with the next. The same announcement,
made twice meanwhile, is sent once. If the process dies, or the database is unavailable, announcements are lost. They
are hints (`store/notifications.py`).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import structlog

from easel.domain.errors import EaselError

log = structlog.get_logger(__name__)

BATCH_MAX: Final = 500
PAUSE_S: Final = 0.005
"""Pause between two statements. Each wakes every process that listens, whatever it listens for."""
LATER_S: Final = 0.02
"""How long an announcement waits that is not urgent. Often a more urgent one says the same in the meantime."""
LAST_S_MAX: Final = 3.0
"""How long the last announcements may take when a process stops."""

Announcement: TypeAlias = tuple[str, str]
"""A channel and a payload."""


class Announcer:
    """One process's announcements. `send` runs the statement."""

    def __init__(self, send: Callable[[Sequence[Announcement]], Awaitable[None]]) -> None:
        self._send = send
        self._urgent: dict[Announcement, None] = {}
        self._later: dict[Announcement, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    def announce(self, announcement: Announcement) -> None:
        """Announce now, or with the next statement if one is under way."""
        self._later.pop(announcement, None)
        self._urgent[announcement] = None
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
            self._sending.add_done_callback(self._note_sent)

    def announce_later(self, announcement: Announcement) -> None:
        """Announce within LATER_S."""
        self._later[announcement] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATER_S, self._hurry)

    async def close(self) -> None:
        """Send what is left, if the database allows it within LAST_S_MAX."""
        if self._timer is not None:
            self._timer.cancel()
            self._hurry()
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=LAST_S_MAX)
        if self._sending is not None:
            self._sending.cancel()

    def _hurry(self) -> None:
        self._timer = None
        for announcement in list(self._later):
            self.announce(announcement)

    async def _send_all(self) -> None:
        while self._urgent:
            batch = list(self._urgent)[:BATCH_MAX]
            for announcement in batch:
                del self._urgent[announcement]
            with contextlib.suppress(EaselError):  # listeners look by themselves, and others report the fault
                await self._send(batch)
            await asyncio.sleep(PAUSE_S)

    def _note_sent(self, sending: asyncio.Task[None]) -> None:
        if self._sending is sending:  # else the next statement has begun
            self._sending = None
        if not sending.cancelled() and sending.exception() is not None:
            log.error("announcements_failed", exc_info=sending.exception())
