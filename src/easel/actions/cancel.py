"""Cancel: an unfinished task ends immediately and is not charged. A worker that is drawing it stops at its next step.

The first attempt to end a task decides. A cancellation that comes too late is refused. One that comes in time wins even
over a picture that is drawn but not settled.
"""

import structlog

from easel.actions import settle
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import AlreadyCompleted, PermissionDenied, TaskNotFound
from easel.domain.task import ErrorCode, Status
from easel.live import measured
from easel.store import endings, tasks
from easel.store.database import Database
from easel.store.tasks import Task

log = structlog.get_logger(__name__)

MESSAGE = "The task was cancelled"


async def cancel(database: Database, holder: Holder, task_id: str) -> Task:
    """Cancel a task and return it. Raises PermissionDenied, TaskNotFound, AlreadyCompleted."""
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    async with database.transaction() as connection:
        if await tasks.find(connection, holder.account_id, task_id) is None:
            raise TaskNotFound
        if not await endings.fail_from_outside(connection, task_id, ErrorCode.REQUEST_CANCELLED, MESSAGE):
            raise AlreadyCompleted
        task = await tasks.find(connection, holder.account_id, task_id)
    assert task is not None
    measured.ended(Status.FAILED, ErrorCode.REQUEST_CANCELLED)
    settle.notify_all(database, task_id)
    log.info("task_cancelled", task_id=task_id)
    return task
