"""A task's callback: finding it, and delivering it again."""

import structlog

from easel.actions import settle
from easel.actions.audit_log import record
from easel.domain.api_key import Holder, Scope
from easel.domain.audit_log import Action
from easel.domain.errors import CallbackNotFound, CallbackUnderWay, PermissionDenied, TaskNotFound
from easel.domain.task import ENDS
from easel.store import callbacks, tasks
from easel.store.callbacks import Callback
from easel.store.database import Database, Reader
from easel.store.tasks import Task

log = structlog.get_logger(__name__)


async def find(database: Database, account_id: int, task_id: str) -> tuple[Task, Callback | None]:
    """A task of the account, and its callback. The callback is None until the task has ended.

    Raises TaskNotFound, CallbackNotFound.
    """
    async with database.reading() as connection:
        task = await tasks.find(connection, account_id, task_id)
        return await _of(connection, task)


async def redeliver(database: Database, holder: Holder, task_id: str) -> tuple[Task, Callback | None]:
    """Deliver the callback again immediately, with the same id and as many attempts as the first time.

    Returns the task and its callback. Raises PermissionDenied, TaskNotFound, CallbackNotFound, CallbackUnderWay.
    """
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    async with database.transaction() as connection:
        task, _ = await _of(connection, await tasks.find(connection, holder.account_id, task_id))
        if not await callbacks.redeliver(connection, task_id):
            raise CallbackUnderWay
        found = await _of(connection, task)
    settle.notify_workers(database, task_id)
    log.info("callback_redelivery_started", task_id=task_id)
    return found


async def find_as_operator(database: Database, task_id: str) -> tuple[Task, Callback | None]:
    """Like `find`, for a task of any account."""
    async with database.reading() as connection:
        return await _of(connection, next(iter(await tasks.find_all(connection, [task_id])), None))


async def redeliver_as_operator(database: Database, task_id: str) -> None:
    """Like `redeliver`, for a task of any account."""
    async with database.transaction() as connection:
        task, _ = await _of(connection, next(iter(await tasks.find_all(connection, [task_id])), None))
        if not await callbacks.redeliver(connection, task_id):
            raise CallbackUnderWay
        await record(connection, Action.CALLBACK_REDELIVERED, f"task {task_id}", task.account_id)
    settle.notify_workers(database, task_id)


async def _of(connection: Reader, task: Task | None) -> tuple[Task, Callback | None]:
    if task is None:
        raise TaskNotFound
    if task.callback_url is None:
        raise CallbackNotFound
    callback = await callbacks.find(connection, task.id)
    if callback is None and task.status in ENDS:  # it was erased a moment ago
        raise CallbackNotFound
    return task, callback
