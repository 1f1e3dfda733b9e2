"""Endings: the one statement that ends a task.

It changes the task's row, its hold, the ledger and its job together or not at all. Triggers update its key's counts and
add its callback. The hold decides: the first ending finds it open, and a later one changes nothing and says so. So no
task ends without its credits being settled.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from psycopg import sql

from easel.domain import link
from easel.domain.task import ErrorCode
from easel.store import ledger, queue
from easel.store.database import Writer

# A task may end while it is `pending`, because a crash can lose the write that began it.
_END: Final = sql.SQL("""
    WITH ending AS (
        SELECT id FROM tasks WHERE id = %(task_id)s AND status IN ('pending', 'processing')
        FOR NO KEY UPDATE
    ), {resolve}, ended AS (
        UPDATE tasks SET {changes} FROM resolved WHERE tasks.id = resolved.task_id RETURNING tasks.id
    ), removed AS (
        {remove} AND EXISTS (SELECT FROM resolved)
    )
    SELECT id FROM ended
""")


def _ending(resolve: sql.Composed, changes: sql.SQL) -> bytes:
    return _END.format(resolve=resolve, changes=changes, remove=queue.remove("job_id")).as_bytes()


_COMPLETE: Final = _ending(
    ledger.capture("ending"),
    sql.SQL("""
        status = 'completed', progress = 100, ended_at = now(), engine = %(engine)s, draw_ms = %(draw_ms)s,
        picture_name = %(picture_name)s, picture_bytes = %(picture_bytes)s,
        link_expires_at = date_trunc('second', now()) + make_interval(secs => %(link_lifetime_s)s)
    """),
)

_FAIL: Final = _ending(
    ledger.release("ending"),
    sql.SQL("""
        status = 'failed', progress = 0, ended_at = now(), error_code = %(code)s, error_message = %(message)s
    """),
)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a completed draw adds to its task."""

    engine: str
    draw_ms: int
    picture_name: str
    picture_bytes: int


async def complete(connection: Writer, task_id: str, completion: Completion, job_id: int) -> bool:
    """Complete a task, charge it and remove its job. Returns False, and changes nothing, if it had already ended."""
    return await _end(connection, _COMPLETE, task_id, job_id, asdict(completion) | {"link_lifetime_s": link.LIFETIME_S})


async def fail(connection: Writer, task_id: str, code: ErrorCode, message: str, job_id: int | None = None) -> bool:
    """Fail a task, release its hold and remove its job, if one is named. Returns False, and changes nothing, if it
    had already ended."""
    return await _end(connection, _FAIL, task_id, job_id, {"code": code, "message": message})


async def _end(connection: Writer, statement: bytes, task_id: str, job_id: int | None, values: dict[str, Any]) -> bool:
    cursor = await connection.execute(statement, {**values, "task_id": task_id, "job_id": job_id})
    return await cursor.fetchone() is not None
