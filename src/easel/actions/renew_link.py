"""Renew a link: a completed task that is read after its link has expired gets a new one, as long as its picture is
kept."""

from collections.abc import Sequence
from datetime import datetime

from easel.domain import link
from easel.domain.task import Status
from easel.store import tasks
from easel.store.database import Database
from easel.store.tasks import Task


async def renew_expired_link(database: Database, task: Task) -> Task:
    """The task with a valid link: its current one until that expires, then a new one."""
    return (await renew_expired_links(database, [task]))[0]


async def renew_expired_links(database: Database, read: Sequence[Task]) -> list[Task]:
    """The tasks with valid links, renewed in one transaction."""
    completed = [task for task in read if task.status is Status.COMPLETED and task.picture_withdrawn_at is None]
    if not completed:
        return list(read)
    now = await database.now()
    expired = [task.id for task in completed if _has_expired(task, now)]
    if not expired:
        return list(read)
    async with database.transaction() as connection:
        await tasks.renew_links(connection, expired, now, link.expires_at(now))
        renewed = {task.id: task for task in await tasks.find_all(connection, expired)}
    return [renewed.get(task.id, task) for task in read]


def _has_expired(task: Task, now: datetime) -> bool:
    return task.link_expires_at is None or task.link_expires_at <= now
