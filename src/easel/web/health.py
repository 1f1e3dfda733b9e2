"""What a load balancer asks: is this process alive, and can it serve."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.store import queue
from easel.store.database import Database, DatabaseUnavailable
from easel.web.answers import json_answer

DATABASE_CHECK_LIFETIME_S: Final = 1.0
STORAGE_CHECK_LIFETIME_S: Final = 5.0

_Found = TypeVar("_Found")


class SharedCheck(Generic[_Found]):
    """What was found is told again for `lifetime_s`; whoever asks while it is being found out waits for that."""

    def __init__(self, find: Callable[[], Awaitable[_Found]], lifetime_s: float) -> None:
        self._find = find
        self._lifetime_s = lifetime_s
        self._found: tuple[_Found, float] | None = None
        self._finding = asyncio.Lock()

    async def found(self) -> _Found:
        """What was found, at most `lifetime_s` ago."""
        async with self._finding:
            if self._found is None or time.monotonic() - self._found[1] > self._lifetime_s:
                self._found = (await self._find(), time.monotonic())
            return self._found[0]


class HealthEndpoints:
    """`GET /healthz` and `GET /readyz`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures
        self._workers = SharedCheck(self._live_workers, DATABASE_CHECK_LIFETIME_S)
        self._storage = SharedCheck(self._is_storage_well, STORAGE_CHECK_LIFETIME_S)

    async def alive(self, _request: Request) -> Response:
        """200 as long as the process answers at all."""
        return json_answer({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 when a task would be accepted and its picture found; 503 otherwise.

        Workers are counted for the reader; without any, tasks are accepted all the same and wait.
        """
        workers, is_storage_well = await self._workers.found(), await self._storage.found()
        is_ready = workers is not None and is_storage_well
        body: dict[str, Any] = {
            "database": "unavailable" if workers is None else "ok",
            "status": "ready" if is_ready else "unavailable",
            "storage": "ok" if is_storage_well else "unavailable",
            "workers": workers or 0,
        }
        return json_answer(body, 200 if is_ready else 503, {} if is_ready else {"retry-after": "2"})

    async def _live_workers(self) -> int | None:
        """How many workers live; None where the database cannot tell."""
        try:
            async with self._database.reading() as connection:
                return await queue.live_workers(connection)
        except DatabaseUnavailable:
            return None

    async def _is_storage_well(self) -> bool:
        try:
            await self._pictures.check()
        except StorageFailed:
            return False
        return True
