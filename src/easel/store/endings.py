"""Endings: the one statement that ends a task, or completes several.

It changes the task's row, its place in the queue, its hold and the ledger together or not at all. Triggers update its
key's counts and add its callback. The hold decides: the first ending finds it open, and a later one changes nothing and
says so. So no task ends without its credits being settled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import sql

from easel.domain import link
from easel.domain.task import ErrorCode
from easel.store import ledger, queue
from easel.store.database import Writer

# A task may end while it is `pending`: a crash can lose the write that began it, and quick draws write none.
_END: Final = sql.SQL("""
    WITH ending AS (
        SELECT id FROM tasks WHERE id = %(task_id)s AND status IN ('pending', 'processing') AND {condition}
        FOR NO KEY UPDATE
    ), {resolve}, ended AS (
        UPDATE tasks SET {changes}, {leaves} FROM resolved WHERE tasks.id = resolved.task_id RETURNING tasks.id
    )
    SELECT id FROM ended
""")

_COMPLETE: Final = _END.format(
    condition=sql.SQL("true"),
    resolve=ledger.capture("ending"),
    changes=sql.SQL("""
        status = 'completed', progress = 100, ended_at = now(), engine = %(engine)s, draw_ms = %(draw_ms)s,
        started_at = coalesce(started_at, now() - make_interval(secs => %(draw_ms)s / 1000.0)),
        picture_name = %(picture_name)s, picture_bytes = %(picture_bytes)s, not_drawn = %(not_drawn)s::jsonb,
        link_expires_at = date_trunc('second', now()) + make_interval(secs => %(link_lifetime_s)s)
    """),
    leaves=queue.LEAVES,
).as_bytes()


def _failing(leaves: sql.SQL, condition: LiteralString = "true") -> bytes:
    return _END.format(
        condition=sql.SQL(condition),
        resolve=ledger.release("ending"),
        changes=sql.SQL("""
            status = 'failed', progress = 0, ended_at = now(), error_code = %(code)s, error_message = %(message)s
        """),
        leaves=leaves,
    ).as_bytes()


_FAIL: Final = _failing(queue.LEAVES)
_FAIL_FROM_OUTSIDE: Final = _failing(queue.LEAVES_UNLESS_TAKEN)
_FAIL_UNHELD: Final = _failing(queue.LEAVES, queue.IS_UNHELD)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a completed draw adds to its task."""

    engine: str
    draw_ms: int
    picture_name: str
    picture_bytes: int
    not_drawn: Sequence[str] | None = None
    """Words of the prompt that the picture does not show. None if the engine cannot tell."""

    @property
    def not_drawn_json(self) -> str | None:
        """The words as PostgreSQL reads them."""
        return None if self.not_drawn is None else json.dumps(self.not_drawn)


# Locks the rows that the triggers change in the order that every transaction keeps, so that statements that end tasks
# of the same accounts wait for each other and never in a circle.
_COMPLETE_ALL: Final = (
    sql.SQL("""
    WITH completion AS (
        SELECT * FROM unnest(%(task_ids)s::text[], %(engines)s::text[], %(draw_ms)s::integer[],
            %(picture_names)s::text[], %(picture_bytes)s::integer[], %(not_drawn)s::jsonb[])
            AS completion (task_id, engine, draw_ms, picture_name, picture_bytes, not_drawn)
    ), unended AS (
        SELECT id, account_id, api_key_id FROM tasks
        WHERE id = ANY (%(task_ids)s::text[]) AND status IN ('pending', 'processing')
        ORDER BY id FOR NO KEY UPDATE
    ), key AS (
        SELECT id FROM api_keys WHERE id IN (SELECT api_key_id FROM unended) ORDER BY id FOR NO KEY UPDATE
    ), account AS (
        SELECT id FROM accounts WHERE id IN (SELECT account_id FROM unended) AND (SELECT count(*) FROM key) > 0
        ORDER BY id FOR NO KEY UPDATE
    ), ending AS (
        SELECT id FROM unended WHERE (SELECT count(*) FROM account) > 0
    ), {resolve}, ended AS (
        UPDATE tasks SET status = 'completed', progress = 100, ended_at = now(),
            engine = completion.engine, draw_ms = completion.draw_ms,
            started_at = coalesce(started_at, now() - make_interval(secs => completion.draw_ms / 1000.0)),
            picture_name = completion.picture_name, picture_bytes = completion.picture_bytes,
            not_drawn = completion.not_drawn,
            link_expires_at = date_trunc('second', now()) + make_interval(secs => %(link_lifetime_s)s), {leaves}
        FROM resolved JOIN completion ON completion.task_id = resolved.task_id
        WHERE tasks.id = resolved.task_id RETURNING tasks.id
    )
    SELECT id FROM ended
""")
    .format(resolve=ledger.capture("ending"), leaves=queue.LEAVES)
    .as_bytes()
)


async def complete_all(connection: Writer, completions: Mapping[str, Completion]) -> set[str]:
    """Complete tasks by their ids and charge them. They leave the queue. Returns the ids of those that had not
    ended."""
    columns = {
        "task_ids": list(completions),
        "engines": [completion.engine for completion in completions.values()],
        "draw_ms": [completion.draw_ms for completion in completions.values()],
        "picture_names": [completion.picture_name for completion in completions.values()],
        "picture_bytes": [completion.picture_bytes for completion in completions.values()],
        "not_drawn": [completion.not_drawn_json for completion in completions.values()],
    }
    cursor = await connection.execute(_COMPLETE_ALL, columns | {"link_lifetime_s": link.LIFETIME_S})
    return {task_id for (task_id,) in await cursor.fetchall()}


async def complete(connection: Writer, task_id: str, completion: Completion) -> bool:
    """Complete a task and charge it. It leaves the queue. Returns False, and changes nothing, if it had already
    ended."""
    values = {
        "engine": completion.engine,
        "draw_ms": completion.draw_ms,
        "picture_name": completion.picture_name,
        "picture_bytes": completion.picture_bytes,
        "not_drawn": completion.not_drawn_json,
        "link_lifetime_s": link.LIFETIME_S,
    }
    return await _end(connection, _COMPLETE, task_id, values)


async def fail(connection: Writer, task_id: str, code: ErrorCode, message: str) -> bool:
    """Fail a task for the worker that has it, and release its hold. It leaves the queue.

    Returns False, and changes nothing, if it had already ended.
    """
    return await _end(connection, _FAIL, task_id, {"code": code, "message": message})


async def fail_from_outside(connection: Writer, task_id: str, code: ErrorCode, message: str) -> bool:
    """Like `fail`, for whoever does not have the task. If a worker ever took it, it stays in the queue until a worker
    has deleted the picture that may have been stored for it."""
    return await _end(connection, _FAIL_FROM_OUTSIDE, task_id, {"code": code, "message": message})


async def fail_unheld(connection: Writer, task_id: str, code: ErrorCode, message: str) -> bool:
    """Like `fail`, but returns False and changes nothing if a live worker has the task."""
    values = {"code": code, "message": message, "silent_s": queue.ABANDONED_AFTER_S}
    return await _end(connection, _FAIL_UNHELD, task_id, values)


async def _end(connection: Writer, statement: bytes, task_id: str, values: dict[str, Any]) -> bool:
    cursor = await connection.execute(statement, {**values, "task_id": task_id})
    return await cursor.fetchone() is not None
