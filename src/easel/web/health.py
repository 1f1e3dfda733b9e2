"""What a load balancer asks: is this process alive, and can it serve."""

import asyncio
import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.outside.pictures import Pictures, StorageFailed
from easel.store import queue
from easel.store.database import Database, DatabaseUnavailable
from easel.web.answers import json_answer

STORAGE_CHECK_LIFETIME_S: Final = 5.0


class HealthEndpoints:
    """`GET /healthz` and `GET /readyz`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures
        self._storage_is_well = False
        self._storage_checked_at_s: float | None = None
        self._checking = asyncio.Lock()

    async def alive(self, _request: Request) -> Response:
        """200 as long as the process answers at all."""
        return json_answer({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 when a task would be accepted and its picture found; 503 otherwise.

        Workers are counted for the reader; without any, tasks are accepted all the same and wait.
        """
        body: dict[str, Any] = {"database": "ok", "storage": "ok", "workers": 0}
        try:
            async with self._database.reading() as connection:
                body["workers"] = await queue.live_workers(connection)
        except DatabaseUnavailable:
            body["database"] = "unavailable"
        if not await self._storage_well():
            body["storage"] = "unavailable"
        is_ready = body["database"] == body["storage"] == "ok"
        body["status"] = "ready" if is_ready else "unavailable"
        return json_answer(body, 200 if is_ready else 503, {} if is_ready else {"retry-after": "2"})

    async def _storage_well(self) -> bool:
        async with self._checking:
            checked_at_s, now_s = self._storage_checked_at_s, time.monotonic()
            if checked_at_s is None or now_s - checked_at_s > STORAGE_CHECK_LIFETIME_S:
                try:
                    await self._pictures.check()
                    self._storage_is_well = True
                except StorageFailed:
                    self._storage_is_well = False
                self._storage_checked_at_s = time.monotonic()
            return self._storage_is_well
