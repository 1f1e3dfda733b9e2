"""Abandon: tasks that somebody waited for, and waits for no more, end at once, and free. What has ended stays as it is.

Each task has a transaction of its own: one that held several could wait for a worker that settles one of them, while
that worker waits for it. While the database is away this goes on trying, up to ABANDON_TIMEOUT_S; a web process that
dies meanwhile leaves the tasks to be drawn and charged.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from easel.actions import settle
from easel.domain.task import ErrorCode
from easel.store import endings, queue, tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

ABANDON_TIMEOUT_S: Final = 300.0
BACK_OFF_S: Final = 2.0
MESSAGE: Final = "The task was cancelled, since nobody waited for it any more"


async def abandon(database: Database, unheard: Sequence[Task]) -> list[Task]:
    """End these tasks; each as it has ended now, in their order. Raises DatabaseUnavailable when it goes on too long."""
    give_up_s = time.monotonic() + ABANDON_TIMEOUT_S
    while True:
        try:
            return await _abandon(database, [task.id for task in unheard])
        except DatabaseUnavailable:
            if time.monotonic() > give_up_s:
                log.warning("tasks_not_abandoned", task_ids=[task.id for task in unheard])
                raise
        await asyncio.sleep(BACK_OFF_S)


async def _abandon(database: Database, task_ids: Sequence[str]) -> list[Task]:
    abandoned = []
    for task_id in task_ids:
        async with database.transaction() as connection:
            if await endings.fail(connection, task_id, ErrorCode.REQUEST_CANCELLED, MESSAGE):
                await queue.remove_waiting(connection, task_id)
                abandoned.append(task_id)
    # All of them, since of those that an earlier attempt has ended nothing was told.
    await settle.tell_all(database, *task_ids)
    log.info("tasks_abandoned", task_ids=abandoned)
    async with database.reading() as connection:
        found = {task.id: task for task in await tasks.find_all(connection, task_ids)}
    return [found[task_id] for task_id in task_ids]
