"""Where the trace of a task goes on: W3C's `traceparent` of the request that created it.

Rows are written with the task and read by the worker that draws it and by those that deliver its callback. Only
installations that record traces have any.
"""

from collections.abc import Sequence
from typing import Final

from easel.store.database import Reader, Writer

KEPT_H: Final = 7 * 24
"""Longer than a callback is tried again."""


async def add(connection: Writer, task_ids: Sequence[str], traceparent: str) -> None:
    """Record where the traces of these tasks go on."""
    await connection.execute(
        "INSERT INTO task_traces (task_id, traceparent) SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING",
        (list(task_ids), traceparent),
    )


async def find(connection: Reader, task_id: str) -> str | None:
    """Where a task's trace goes on. None if it has none."""
    cursor = await connection.execute("SELECT traceparent FROM task_traces WHERE task_id = %s", (task_id,))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def delete_old(connection: Writer, count_max: int) -> None:
    """Delete some of the rows that nothing needs any more."""
    await connection.execute(
        """
        DELETE FROM task_traces WHERE task_id IN (
            SELECT task_id FROM task_traces WHERE created_at < now() - make_interval(hours => %s)
            ORDER BY created_at LIMIT %s)
        """,
        (KEPT_H, count_max),
    )
