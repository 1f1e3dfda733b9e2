"""An account's tasks, newest first, from any task on, filtered by their state and the words of their prompts.

One call looks at LOOKED_AT_MAX tasks at most, whatever the filter, so its duration does not grow with the history. If
the filter is rare, it may find few tasks, or none, and say where to go on.

PostgreSQL plans the statements anew for each account. A plan that it kept for all of them would read an account with
few tasks from the index of all tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from easel.domain.task import Status
from easel.store.database import Reader
from easel.store.patterns import in_any_case
from easel.store.tasks import COLUMNS, Task, task_rows

LOOKED_AT_MAX: Final = 5000


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which tasks to find. None matches any state. `after_id` is the task that came last before."""

    account_id: int
    statuses: Sequence[Status] | None
    words: Sequence[str]
    after_id: str | None
    count_max: int


@dataclass(frozen=True, slots=True)
class Found:
    """The tasks, and after which one to go on. `next_id` is None at the end of the history."""

    tasks: Sequence[Task]
    next_id: str | None


_POSITION: Final = "SELECT position FROM tasks WHERE id = %s AND account_id = %s"
_LAST_LOOKED_AT: Final = """
    SELECT position, id FROM tasks WHERE account_id = %s AND position < %s ORDER BY position DESC OFFSET %s LIMIT 1
"""
_FIND: Final = (
    sql.SQL("""
    SELECT {} FROM tasks
    WHERE account_id = %(account_id)s AND position < %(start)s AND position >= %(end)s
        AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s)) AND prompt ~* ALL (%(patterns)s::text[])
    ORDER BY position DESC LIMIT %(limit)s
""")
    .format(COLUMNS)
    .as_bytes()
)
_BEYOND_ALL: Final = 2**63 - 1


async def read(connection: Reader, excerpt: Excerpt) -> Found | None:
    """The tasks. None if the account has no task `after_id`."""
    start = _BEYOND_ALL
    if excerpt.after_id is not None:
        row = await (await connection.execute(_POSITION, (excerpt.after_id, excerpt.account_id))).fetchone()
        if row is None:
            return None
        start = row[0]
    values = (excerpt.account_id, start, LOOKED_AT_MAX - 1)
    last = await (await connection.execute(_LAST_LOOKED_AT, values, prepare=False)).fetchone()
    cursor = connection.cursor(row_factory=task_rows)
    await cursor.execute(
        _FIND,
        {
            "account_id": excerpt.account_id,
            "start": start,
            "end": 0 if last is None else last[0],
            "statuses": None if excerpt.statuses is None else list(excerpt.statuses),
            "patterns": [in_any_case(word) for word in excerpt.words],
            "limit": excerpt.count_max + 1,
        },
        prepare=False,
    )
    found = await cursor.fetchall()
    if len(found) > excerpt.count_max:
        return Found(found[: excerpt.count_max], found[excerpt.count_max - 1].id)
    return Found(found, None if last is None else last[1])
