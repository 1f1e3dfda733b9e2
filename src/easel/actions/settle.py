"""Settle: a task ends, and its hold is captured or released, in one transaction.

Whoever ends a task first decides; a later attempt changes nothing and says so. The news of it are told after the
commit, and may get lost with the process that tells them.
"""

import contextlib
import itertools
from collections.abc import Iterable

from easel.domain.moderation.decision import Decision
from easel.domain.task import ErrorCode
from easel.store import endings, moderation_log, notifications
from easel.store.database import Database, DatabaseUnavailable
from easel.store.endings import Completion
from easel.store.moderation_log import Judged
from easel.store.notifications import Channel


async def complete(database: Database, task_id: str, outcome: Completion, job_id: int) -> bool:
    """Complete a task, charge it and end its job; False, and nothing, when it had ended otherwise.

    The picture must be stored by now.
    """
    async with database.single_statement() as connection:
        is_ended = await endings.complete(connection, task_id, outcome, job_id)
    if is_ended:
        await tell(database, task_id)
    return is_ended


async def fail(database: Database, task_id: str, code: ErrorCode, message: str, job_id: int) -> bool:
    """Fail a task, return its reservation and end its job; False, and nothing, when it had ended already."""
    async with database.single_statement() as connection:
        is_ended = await endings.fail(connection, task_id, code, message, job_id)
    if is_ended:
        await tell(database, task_id)
    return is_ended


async def refuse(database: Database, task_id: str, judged: Judged, decision: Decision, job_id: int) -> bool:
    """Fail a task for what moderation decided, and log that; False, and nothing, when it had ended already."""
    async with database.transaction() as connection:
        is_ended = await endings.fail(connection, task_id, decision.code, decision.message, job_id)
        if is_ended:
            await moderation_log.add(connection, judged, decision)
    if is_ended:
        await tell(database, task_id)
    return is_ended


async def tell(database: Database, task_id: str) -> None:
    """Tell whoever waits for a task that it has ended. They would find out without, a little later."""
    await _tell(database, [task_id], [Channel.CHANGES])


async def tell_all(database: Database, *task_ids: str) -> None:
    """Tell the workers too of tasks that have ended: one may be drawing it, and one is to deliver its callback."""
    await _tell(database, task_ids, [Channel.CHANGES, Channel.WORKERS])


async def tell_workers(database: Database, task_id: str) -> None:
    """Tell the workers that there is something to deliver."""
    await _tell(database, [task_id], [Channel.WORKERS])


async def _tell(database: Database, task_ids: Iterable[str], channels: Iterable[Channel]) -> None:
    with contextlib.suppress(DatabaseUnavailable):
        async with database.single_statement() as connection:
            for channel, task_id in itertools.product(channels, task_ids):
                await notifications.notify(connection, task_id, channel)
