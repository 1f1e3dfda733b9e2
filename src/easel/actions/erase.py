"""Erase: the picture and prompt of a finished task are removed immediately. The charge stays on record.

One transaction withdraws the picture and erases the prompt. Then the file is deleted from storage. If that fails, if
its deletion cannot be recorded, or if this process dies first, the sweep deletes the file.
"""

import contextlib

import structlog

from easel.domain.api_key import Holder, Scope
from easel.domain.errors import PermissionDenied, TaskNotFound, TaskUnfinished
from easel.domain.picture import object_names
from easel.domain.task import ENDS
from easel.outside.pictures.storage import Pictures, StorageFailed
from easel.store import retention, tasks
from easel.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)


async def erase(database: Database, pictures: Pictures, holder: Holder, task_id: str) -> None:
    """Erase a task. Erasing it again changes nothing. Raises PermissionDenied, TaskNotFound, TaskUnfinished."""
    if Scope.GENERATE not in holder.scopes:
        raise PermissionDenied
    async with database.transaction() as connection:
        task = await tasks.find(connection, holder.account_id, task_id)
        if task is None:
            raise TaskNotFound
        if task.status not in ENDS:
            raise TaskUnfinished
        await retention.erase(connection, task_id)
    log.info("task_erased", task_id=task_id)
    if task.picture_name is None:
        return
    try:
        await pictures.delete(*object_names(task.picture_name))
    except StorageFailed as error:
        log.warning("picture_delete_failed", task_id=task_id, reason=str(error))
        return
    with contextlib.suppress(DatabaseUnavailable):
        async with database.transaction() as connection:
            await retention.record_gone(connection, [task_id])
