"""Renew a link: a completed task that is read after its link has expired gets a new one, as long as its picture is
kept."""

from easel.domain import link
from easel.domain.task import Status
from easel.store import tasks
from easel.store.database import Database
from easel.store.tasks import Task


async def renew_expired_link(database: Database, task: Task) -> Task:
    """The task with a valid link: its current one until that expires, then a new one."""
    if task.status is not Status.COMPLETED or task.picture_withdrawn_at is not None:
        return task
    now = await database.now()
    if task.link_expires_at is not None and task.link_expires_at > now:
        return task
    async with database.transaction() as connection:
        await tasks.renew_link(connection, task.id, now, link.expires_at(now))
        renewed = await tasks.find(connection, task.account_id, task.id)
    assert renewed is not None
    return renewed
