"""Settle: a task ends, and its hold is captured or released, in one transaction.

Whoever ends a task first decides; a later attempt changes nothing and says so.
"""

from easel.domain.task import ErrorCode
from easel.store import credits as ledger
from easel.store import tasks
from easel.store.database import Connection, Database
from easel.store.tasks import Outcome


async def complete(database: Database, task_id: str, outcome: Outcome) -> bool:
    """Complete a task and charge it; False when it had ended otherwise. The picture must be stored by now."""
    async with database.transaction() as connection:
        if not await tasks.complete(connection, task_id, outcome):
            return False
        is_charged = await ledger.capture(connection, task_id)
        assert is_charged, "a task that has not ended has an open hold"
        return True


async def fail(database: Database, task_id: str, code: ErrorCode, message: str) -> bool:
    """Fail a task and return its reservation; False when it had ended already."""
    async with database.transaction() as connection:
        return await fail_within(connection, task_id, code, message)


async def fail_within(connection: Connection, task_id: str, code: ErrorCode, message: str) -> bool:
    """`fail` as a part of a transaction that does more."""
    if not await tasks.fail(connection, task_id, code, message):
        return False
    is_returned = await ledger.release(connection, task_id)
    assert is_returned, "a task that has not ended has an open hold"
    return True
