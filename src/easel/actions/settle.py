"""Settle: a task ends, and its hold is captured or released, in one transaction.

Whoever ends a task first decides; a later attempt changes nothing and says so. The news of it are told after the
commit, and may get lost with the process that tells them.
"""

import contextlib

from easel.domain.task import ErrorCode
from easel.store import credits as ledger
from easel.store import news, queue, tasks
from easel.store.database import Connection, Database, DatabaseUnavailable
from easel.store.news import Channel
from easel.store.tasks import Outcome


async def complete(database: Database, task_id: str, outcome: Outcome, job_id: int) -> bool:
    """Complete a task, charge it and end its job; False, and nothing, when it had ended otherwise.

    The picture must be stored by now.
    """
    async with database.transaction() as connection:
        if not await tasks.complete(connection, task_id, outcome):
            return False
        is_charged = await ledger.capture(connection, task_id)
        assert is_charged, "a task that has not ended has an open hold"
        await queue.take_off(connection, job_id)
    await tell(database, task_id)
    return True


async def fail(database: Database, task_id: str, code: ErrorCode, message: str, job_id: int) -> bool:
    """Fail a task, return its reservation and end its job; False, and nothing, when it had ended already."""
    async with database.transaction() as connection:
        if not await fail_within(connection, task_id, code, message):
            return False
        await queue.take_off(connection, job_id)
    await tell(database, task_id)
    return True


async def fail_within(connection: Connection, task_id: str, code: ErrorCode, message: str) -> bool:
    """Fail a task and return its reservation, as a part of a transaction that does more and tells of it."""
    if not await tasks.fail(connection, task_id, code, message):
        return False
    is_returned = await ledger.release(connection, task_id)
    assert is_returned, "a task that has not ended has an open hold"
    return True


async def tell(database: Database, *task_ids: str, channel: Channel = Channel.CHANGES) -> None:
    """Tell whoever waits for these tasks that they have changed. They would find out without, a little later."""
    with contextlib.suppress(DatabaseUnavailable):
        async with database.reading() as connection:
            for task_id in task_ids:
                await news.tell(connection, task_id, channel)
