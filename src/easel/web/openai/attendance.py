"""Waiting with a client for all its tasks, for as long as both are there.

It ends when the tasks have, when the client's time is over, when the client leaves, when its key ends, or when this process
stops. It holds no connection to the database, and outlasts one that goes away.
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
from easel.live.key_watch import Permit
from easel.live.task_watcher import Watch
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.tasks import Task
from easel.web.task_answers import PERMIT_TIMEOUT_S, TaskAnswers

DEFAULT_PATIENCE_S: Final = 600.0
"""Time-out assumed for a client that states none: the default of OpenAI's SDKs."""
NODE_PATIENCE_S: Final = 300.0
"""The same on Node.js, whose `fetch` waits no longer for an answer's headers (undici's headersTimeout)."""
WAIT_S_MAX: Final = 3600.0
ANSWERING_S: Final = 10.0
"""How long before that it is answered, though never more than a fifth of its patience: an answer that comes just after
it left would be lost."""
_PATIENCE_HEADERS: Final = ("x-stainless-read-timeout", "x-stainless-timeout")
"""Where OpenAI's SDKs state their time-out in seconds: the one for Python always, the one for JavaScript only if the request
sets a time-out."""


@dataclass(frozen=True, slots=True)
class Attended:
    """The tasks as last seen, in their order, and why no more of them was awaited."""

    tasks: Sequence[Task]
    is_deserted: bool
    """Whether the client has left."""
    is_stopping: bool
    """Whether this process is about to stop."""
    is_key_good: bool | None
    """Whether the client's key is neither revoked nor expired; None where nobody could look in time."""

    @property
    def unfinished(self) -> list[Task]:
        """Those that have not ended."""
        return [task for task in self.tasks if task.status not in ENDS]


async def attend(answers: TaskAnswers, holder: Holder, request: Request, awaited: Sequence[Task]) -> Attended:
    """Wait until all tasks have ended, or for no longer. The request's body must have been read."""
    with ExitStack() as watching:
        watches = [watching.enter_context(answers.task_watcher.watch(task.id, task)) for task in awaited]

        def let_go() -> None:
            for watch in watches:
                watch.close()

        permit = watching.enter_context(answers.key_watch.permit(holder.api_key_id, let_go))
        await _look(answers.database, watches)
        leaving = asyncio.create_task(_left(request))
        ending = asyncio.create_task(_all_ended(watches))
        try:
            await asyncio.wait({leaving, ending}, timeout=wait_s(request), return_when=asyncio.FIRST_COMPLETED)
            is_deserted = leaving.done()
        finally:
            leaving.cancel()
            ending.cancel()
        is_key_good = None if is_deserted else await _is_good(permit)
        is_stopping = is_key_good is not False and any(watch.is_over for watch in watches)
        return Attended(_seen(watches), is_deserted, is_stopping, is_key_good)


def wait_s(request: Request) -> float:
    """How long a client can be kept waiting, as far as it tells."""
    patience_s = _patience_s(request)
    return min(WAIT_S_MAX, patience_s - min(ANSWERING_S, patience_s / 5))


def _patience_s(request: Request) -> float:
    for header in _PATIENCE_HEADERS:
        with contextlib.suppress(ValueError):
            patience_s = float(request.headers.get(header, ""))
            if 0 < patience_s < math.inf:
                return patience_s
    return NODE_PATIENCE_S if request.headers.get("x-stainless-runtime") == "node" else DEFAULT_PATIENCE_S


async def _look(database: Database, watches: Sequence[Watch]) -> None:
    """Read once more, since a task may have ended before it was watched. Later looks are the task_watcher's."""
    by_id = {watch.task.id: watch for watch in watches if watch.task is not None and watch.task.status not in ENDS}
    if by_id:
        with contextlib.suppress(DatabaseUnavailable):
            async with database.reading() as connection:
                for task in await tasks.find_all(connection, list(by_id)):
                    by_id[task.id].show(task)


async def _is_good(permit: Permit) -> bool | None:
    try:
        return await permit.is_good(PERMIT_TIMEOUT_S) or None
    except Unauthorized:
        return False


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _all_ended(watches: Sequence[Watch]) -> None:
    for watch in watches:
        await watch.end()


def _seen(watches: Sequence[Watch]) -> list[Task]:
    return [watch.task for watch in watches if watch.task is not None]
