"""Watches the keys of waiting requests, and releases a request when its key is revoked or expires.

While requests wait, one statement checks all their keys a few times a second. A waiting request gets its answer only if
its key was good a moment ago, however slow the database is.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from easel.domain.errors import Unauthorized
from easel.store import accounts
from easel.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.2
BELIEVED_FOR_S: Final = 0.5
"""How long a key that was checked counts as good."""
BACK_OFF_S: Final = 0.5


class _Key:
    """One key and the requests that wait with it."""

    def __init__(self) -> None:
        self.permits: set[Permit] = set()
        self.has_ended = False
        self.seen_good_at_s: float | None = None
        self.looked_at = asyncio.Event()

    def note(self, *, has_ended: bool, looked_at_s: float) -> None:
        if has_ended:
            self.has_ended = True
            for permit in self.permits:
                permit.on_end()
        else:
            self.seen_good_at_s = looked_at_s
        self.looked_at.set()
        self.looked_at = asyncio.Event()

    def is_believed(self) -> bool:
        return self.seen_good_at_s is not None and time.monotonic() - self.seen_good_at_s <= BELIEVED_FOR_S


class Permit:
    """One waiting request's permission to get its answer."""

    def __init__(self, key: _Key, on_end: Callable[[], None]) -> None:
        self._key = key
        self.on_end = on_end

    @property
    def has_ended(self) -> bool:
        """Whether the key was revoked or has expired."""
        return self._key.has_ended

    async def is_good(self, timeout_s: float) -> bool:
        """Whether the key was good within the last BELIEVED_FOR_S. Waits for a check if there was none.

        False if the key could not be checked in time. Raises Unauthorized if the key has ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._key.has_ended and not self._key.is_believed():
                    await self._key.looked_at.wait()
        if self._key.has_ended:
            raise Unauthorized
        return self._key.is_believed()


class KeyWatch:
    """The waiting requests of one process, by key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[int, _Key] = {}
        self._has_new = asyncio.Event()

    @contextmanager
    def permit(self, api_key_id: int, on_end: Callable[[], None]) -> Iterator[Permit]:
        """A permit for a request that waits inside the block. `on_end` is called when its key ends."""
        if api_key_id not in self._keys:
            self._keys[api_key_id] = _Key()
            self._has_new.set()
        key = self._keys[api_key_id]
        permit = Permit(key, on_end)
        key.permits.add(permit)
        if key.has_ended:
            on_end()
        try:
            yield permit
        finally:
            key.permits.discard(permit)
            if not key.permits and self._keys.get(api_key_id) is key:
                del self._keys[api_key_id]

    async def run(self) -> None:
        """Check keys until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self._keys else None):
                    await self._has_new.wait()
            self._has_new.clear()
            try:
                await self._look()
            except DatabaseUnavailable:
                await asyncio.sleep(BACK_OFF_S)
            except Exception:  # the outermost loop: without it no waiting request would get its answer
                log.exception("key_watch_failed")
                await asyncio.sleep(BACK_OFF_S)

    async def _look(self) -> None:
        looked_at_s = time.monotonic()
        oldest_s = looked_at_s - LOOK_EVERY_S / 2
        due = {
            api_key_id: key
            for api_key_id, key in self._keys.items()
            if not key.has_ended and (key.seen_good_at_s is None or key.seen_good_at_s <= oldest_s)
        }
        if not due:
            return
        async with self._database.reading() as connection:
            ended = await accounts.ended_keys(connection, list(due))
        for api_key_id, key in due.items():
            key.note(has_ended=api_key_id in ended, looked_at_s=looked_at_s)
