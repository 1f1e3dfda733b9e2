"""Waits for all tasks of an order on behalf of a client that waits for the pictures.

It stops waiting when all tasks have ended, the client's timeout is near, the client disconnects, its key is revoked or
expires, or this process stops. It holds no database connection, and survives a database outage.
"""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from easel.domain.api_key import Holder
from easel.domain.errors import Unauthorized
from easel.domain.task import ENDS
from easel.live.key_watch import KeyWatch, Permit
from easel.live.task_watcher import TaskWatcher, Watch
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.tasks import Task
from easel.web.waiting import PERMIT_TIMEOUT_S

DEFAULT_PATIENCE_S: Final = 600.0
"""Assumed timeout of a client that states none: the default of OpenAI's SDKs."""
NODE_PATIENCE_S: Final = 300.0
"""The same on Node.js, whose `fetch` waits this long for an answer's headers (undici's headersTimeout)."""
WAIT_S_MAX: Final = 3600.0
ANSWERING_S: Final = 10.0
"""Time kept for sending the answer before the client times out, at most a fifth of its timeout."""
_PATIENCE_HEADERS: Final = ("x-stainless-read-timeout", "x-stainless-timeout")
"""Headers in which OpenAI's SDKs state their timeout in seconds: the Python SDK always, the JavaScript SDK only if the
request sets a timeout."""


@dataclass(frozen=True, slots=True)
class Attended:
    """The tasks as last seen, in the sequence given, and why the waiting ended."""

    tasks: Sequence[Task]
    has_disconnected: bool
    """Whether the client has disconnected."""
    is_stopping: bool
    """Whether this process is stopping."""
    is_key_good: bool | None
    """Whether the client's key is still valid. None if it could not be checked in time."""

    @property
    def unfinished(self) -> list[Task]:
        """The tasks that have not ended."""
        return [task for task in self.tasks if task.status not in ENDS]


class Attendance:
    """The waiting clients of one process."""

    def __init__(self, database: Database, task_watcher: TaskWatcher, key_watch: KeyWatch) -> None:
        self._database = database
        self._task_watcher = task_watcher
        self._key_watch = key_watch

    async def attend(self, holder: Holder, request: Request, awaited: Sequence[Task]) -> Attended:
        """Wait until all tasks have ended or the waiting must stop. The request's body must have been read."""
        with ExitStack() as watching:
            watches = [watching.enter_context(self._task_watcher.watch(task.id, task)) for task in awaited]

            def stop_waiting() -> None:
                for watch in watches:
                    watch.close()

            permit = watching.enter_context(self._key_watch.permit(holder.api_key_id, stop_waiting))
            await self._read_again(watches)
            leaving = asyncio.create_task(_disconnected(request))
            ending = asyncio.create_task(_all_ended(watches))
            try:
                await asyncio.wait({leaving, ending}, timeout=wait_s(request), return_when=asyncio.FIRST_COMPLETED)
                has_disconnected = leaving.done()
            finally:
                leaving.cancel()
                ending.cancel()
            is_key_good = None if has_disconnected else await _is_good(permit)
            is_stopping = is_key_good is not False and any(watch.is_over for watch in watches)
            return Attended(_seen(watches), has_disconnected, is_stopping, is_key_good)

    async def _read_again(self, watches: Sequence[Watch]) -> None:
        """Read unfinished tasks once, because they may have ended before they were watched."""
        by_id = {watch.task.id: watch for watch in watches if watch.task is not None and watch.task.status not in ENDS}
        if by_id:
            with contextlib.suppress(DatabaseUnavailable):  # the task watcher will read them
                async with self._database.reading() as connection:
                    for task in await tasks.find_all(connection, list(by_id)):
                        by_id[task.id].show(task)


def wait_s(request: Request) -> float:
    """How long the client can be kept waiting, judging by the timeout that it states."""
    patience_s = _patience_s(request)
    return min(WAIT_S_MAX, patience_s - min(ANSWERING_S, patience_s / 5))


def _patience_s(request: Request) -> float:
    for header in _PATIENCE_HEADERS:
        with contextlib.suppress(ValueError):
            patience_s = float(request.headers.get(header, ""))
            if 0 < patience_s < math.inf:
                return patience_s
    return NODE_PATIENCE_S if request.headers.get("x-stainless-runtime") == "node" else DEFAULT_PATIENCE_S


async def _is_good(permit: Permit) -> bool | None:
    try:
        return await permit.is_good(PERMIT_TIMEOUT_S) or None
    except Unauthorized:
        return False


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _all_ended(watches: Sequence[Watch]) -> None:
    for watch in watches:
        await watch.end()


def _seen(watches: Sequence[Watch]) -> list[Task]:
    return [watch.task for watch in watches if watch.task is not None]
