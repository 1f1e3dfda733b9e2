"""Health checks: is this process alive, and can it serve requests?"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.store import workers
from easel.store.database import Database, DatabaseUnavailable
from easel.store.workers import Census
from easel.web.answers import json_answer
from easel.web.shared_check import SharedCheck

DATABASE_CHECK_LIFETIME_S: Final = 1.0
STORAGE_CHECK_LIFETIME_S: Final = 5.0


class HealthEndpoints:
    """`GET /healthz` and `GET /readyz`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures
        self._workers = SharedCheck(self._census, DATABASE_CHECK_LIFETIME_S)
        self._storage = SharedCheck(self._is_storage_available, STORAGE_CHECK_LIFETIME_S)

    async def alive(self, _request: Request) -> Response:
        """200 as long as the process runs."""
        return json_answer({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 if tasks can be accepted and pictures read, otherwise 503.

        The number of workers does not affect the status: without workers, tasks are still accepted, and wait.
        """
        census, is_storage_available = await self._workers.found(), await self._storage.found()
        is_ready = census is not None and is_storage_available
        body: dict[str, Any] = {
            "database": "unavailable" if census is None else "ok",
            "status": "ready" if is_ready else "unavailable",
            "storage": "ok" if is_storage_available else "unavailable",
            "workers": 0 if census is None else census.live,
            "workers_paused": 0 if census is None else census.paused,
        }
        return json_answer(body, 200 if is_ready else 503, {} if is_ready else {"retry-after": "2"})

    async def _census(self) -> Census | None:
        """The count of workers. None if the database is unavailable."""
        try:
            async with self._database.reading() as connection:
                return await workers.census(connection)
        except DatabaseUnavailable:
            return None

    async def _is_storage_available(self) -> bool:
        try:
            await self._pictures.check()
        except StorageFailed:
            return False
        return True
