"""Abandon: tasks whose client stopped waiting end immediately and are not charged. Ended tasks are left alone.

Each task has its own transaction. A transaction over several tasks could deadlock with a worker that settles one of
them. While the database is unavailable, this retries for up to ABANDON_TIMEOUT_S. If the web process dies before it
succeeds, the tasks are drawn and charged.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from easel.actions import settle
from easel.domain.task import ErrorCode, Status
from easel.live import measured
from easel.store import endings, tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

ABANDON_TIMEOUT_S: Final = 300.0
BACK_OFF_S: Final = 2.0
MESSAGE: Final = "The task was cancelled, since nobody waited for it any more"


async def abandon(database: Database, unattended: Sequence[Task]) -> list[Task]:
    """End these tasks and return them as they ended, in the same order. Raises DatabaseUnavailable when time runs
    out."""
    give_up_s = time.monotonic() + ABANDON_TIMEOUT_S
    while True:
        try:
            return await _abandon(database, [task.id for task in unattended])
        except DatabaseUnavailable:
            if time.monotonic() > give_up_s:
                log.warning("tasks_not_abandoned", task_ids=[task.id for task in unattended])
                raise
        await asyncio.sleep(BACK_OFF_S)


async def _abandon(database: Database, task_ids: Sequence[str]) -> list[Task]:
    abandoned = []
    for task_id in task_ids:
        async with database.transaction() as connection:
            is_ended = await endings.fail_from_outside(connection, task_id, ErrorCode.REQUEST_CANCELLED, MESSAGE)
        if is_ended:
            abandoned.append(task_id)
            measured.ended(Status.FAILED, ErrorCode.REQUEST_CANCELLED)
    # All of them, because an earlier attempt may have ended some without notifying anyone.
    settle.notify_all(database, *task_ids)
    log.info("tasks_abandoned", task_ids=abandoned)
    async with database.reading() as connection:
        found = {task.id: task for task in await tasks.find_all(connection, task_ids)}
    return [found[task_id] for task_id in task_ids]
