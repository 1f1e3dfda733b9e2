"""The rows of tasks: adding, reading, and the moves from one state to the next.

Every move names the states that it starts from, so that one which comes too late changes nothing and says so.
Money is not moved here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import kwargs_row

from easel.domain.errors import EaselError
from easel.domain.order import Order, OutputFormat
from easel.domain.task import ErrorCode, Status, progress_percent
from easel.store import news
from easel.store.database import Connection


@dataclass(frozen=True, slots=True)
class Task:
    """One row. Times are aware; sizes in pixels; `progress` in per cent."""

    position: int
    id: str
    account_id: int
    api_key_id: int
    request_id: str
    public_url: str
    user_group: str
    price_microcredits: int
    model: str
    prompt: str
    width_px: int
    height_px: int
    seed: int
    nsfw_check: bool
    callback_url: str | None
    output_format: OutputFormat
    status: Status
    progress: int
    worker_deaths: int
    estimated_time_s: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error_code: str | None
    error_message: str | None
    engine: str | None
    draw_ms: int | None
    picture_name: str | None
    picture_bytes: int | None
    link_expires_at: datetime | None
    tag: int
    steps_done: int
    steps_total: int
    picture_withdrawn_at: datetime | None


# Named rather than `*`, so that a column which a newer version adds breaks nothing here.
# Statements are composed once: composing one takes longer than sending it.
_COLUMNS: Final = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Task))


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is known of a task when it is accepted. `public_url` is the base of its links."""

    id: str
    account_id: int
    api_key_id: int
    request_id: str
    public_url: str
    user_group: str
    price_microcredits: int
    order: Order
    seed: int
    estimated_time_s: int
    created_at: datetime


class TaskIdTaken(EaselError):
    """Two tasks of one second drew the same id; the transaction can only be undone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished drawing adds to its task."""

    engine: str
    draw_ms: int
    picture_name: str
    picture_bytes: int
    ended_at: datetime
    link_expires_at: datetime


def _task(**columns: Any) -> Task:
    """The database gives text for a status, which equals its Status but is not it."""
    return Task(**{**columns, "status": Status(columns["status"])})


_TASK_ROWS: Final = kwargs_row(_task)

_TAG_MAX: Final = 2**31 - 1
"""Its negative is the priority in the queue, and both are stored in four bytes."""

# Fair shares by virtual time (start-time fair queueing). The time is the tag of the task that was begun last, and never
# past the first in line; with nobody in line it starts anew. An account's own tasks are two apart, and who comes anew
# enters one after the time: before the next task of whoever has many waiting, after all who came before. Whose last
# task has that time had its turn just now, and enters two after. Should it ever reach the end of what a priority can be,
# all enter there, in the order of their coming, until nobody is in line.
_ADD: Final = (
    sql.SQL("""
    INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
        model, prompt, width_px, height_px, seed, nsfw_check, callback_url, output_format,
        estimated_time_s, created_at, tag)
    VALUES (%(id)s, %(account_id)s, %(api_key_id)s, %(request_id)s, %(public_url)s, %(user_group)s,
        %(price_microcredits)s, %(model)s, %(prompt)s, %(width_px)s, %(height_px)s, %(seed)s, %(nsfw_check)s,
        %(callback_url)s, %(output_format)s, %(estimated_time_s)s, %(created_at)s,
        least({tag_max}, greatest(
            1,
            (SELECT now.tag + CASE WHEN latest.tag >= now.tag THEN 2 ELSE 1 END FROM
                (SELECT least((SELECT last_value FROM fair_share_clock), -priority) AS tag FROM procrastinate_jobs
                 WHERE status = 'todo' AND queue_name = 'draw' ORDER BY priority DESC, id LIMIT 1) AS now
                LEFT JOIN (SELECT tag FROM tasks WHERE account_id = %(account_id)s ORDER BY position DESC LIMIT 1)
                    AS latest ON true),
            2 + (SELECT max(tag) FROM tasks WHERE account_id = %(account_id)s AND status = 'pending')::bigint
        )))
    RETURNING {columns}
""")
    .format(columns=_COLUMNS, tag_max=sql.Literal(_TAG_MAX))
    .as_bytes()
)

_FIND: Final = sql.SQL("SELECT {} FROM tasks WHERE id = %s AND account_id = %s").format(_COLUMNS).as_bytes()

_FIND_ALL: Final = sql.SQL("SELECT {} FROM tasks WHERE id = ANY (%s)").format(_COLUMNS).as_bytes()

_BEGIN: Final = (
    sql.SQL("""
    WITH begun AS (
        UPDATE tasks SET status = 'processing', progress = 0, steps_done = 0, steps_total = 0, started_at = now()
        WHERE id = %s AND status IN ('pending', 'processing') RETURNING {columns}
    )
    SELECT {columns} FROM begun
    WHERE setval('fair_share_clock', greatest(tag, 0)) IS NOT NULL AND {news} IS NOT NULL
""")
    .format(columns=_COLUMNS, news=news.announce("id"))
    .as_bytes()
)

_REPORT_PROGRESS: Final = (
    sql.SQL("""
    WITH reported AS (
        UPDATE tasks SET status = 'processing', started_at = coalesce(started_at, now()), progress = %s,
            steps_done = %s, steps_total = %s
        WHERE id = %s AND status IN ('pending', 'processing') RETURNING id
    )
    SELECT {} FROM reported
""")
    .format(news.announce("id"))
    .as_bytes()
)


async def add(connection: Connection, task: NewTask) -> Task:
    """Add a pending task. Raises TaskIdTaken."""
    cursor = connection.cursor(row_factory=_TASK_ROWS)
    values = {field.name: getattr(task, field.name) for field in fields(NewTask)}
    order = {field.name: getattr(task.order, field.name) for field in fields(Order)}
    try:
        # The order's seed is the caller's wish; the task's is what will be drawn with.
        await cursor.execute(_ADD, {**order, **values})
    except psycopg.errors.UniqueViolation:
        raise TaskIdTaken from None
    row = await cursor.fetchone()
    assert row is not None
    return row


async def find(connection: Connection, account_id: int, task_id: str) -> Task | None:
    """An account's task; None also for another account's."""
    cursor = connection.cursor(row_factory=_TASK_ROWS)
    await cursor.execute(_FIND, (task_id, account_id))
    return await cursor.fetchone()


async def find_all(connection: Connection, task_ids: Sequence[str]) -> list[Task]:
    """Tasks of whatever account, in no order; unknown ones are left out."""
    cursor = connection.cursor(row_factory=_TASK_ROWS)
    await cursor.execute(_FIND_ALL, (list(task_ids),))
    return await cursor.fetchall()


async def begin(connection: Connection, task_id: str) -> Task | None:
    """Move a task to `processing`, from the beginning; None when it has ended.

    A task that is `processing` already lost its worker, or is drawn twice, which harms nothing.
    """
    cursor = connection.cursor(row_factory=_TASK_ROWS)
    await cursor.execute(_BEGIN, (task_id,))
    return await cursor.fetchone()


async def report_steps(connection: Connection, task_id: str, steps_done: int, steps_total: int) -> bool:
    """Note how far the drawing is; False when the task has ended meanwhile.

    It also begins the task again, should a crash of the database have lost that.
    """
    values = (progress_percent(steps_done, steps_total), steps_done, steps_total, task_id)
    return await (await connection.execute(_REPORT_PROGRESS, values)).fetchone() is not None


async def complete(connection: Connection, task_id: str, outcome: Outcome) -> bool:
    """Move a task to `completed`; False when it had ended otherwise.

    It may be `pending`, since the note that its drawing began does not wait for the disk.
    """
    cursor = await connection.execute(
        """
        UPDATE tasks SET status = 'completed', progress = 100, ended_at = %s, engine = %s, draw_ms = %s,
            picture_name = %s, picture_bytes = %s, link_expires_at = %s
        WHERE id = %s AND status IN ('pending', 'processing')
        """,
        (outcome.ended_at, outcome.engine, outcome.draw_ms, outcome.picture_name, outcome.picture_bytes,
         outcome.link_expires_at, task_id),
    )  # fmt: skip
    return cursor.rowcount == 1


async def fail(connection: Connection, task_id: str, code: ErrorCode, message: str) -> bool:
    """Move a task to `failed`; False when it had ended already."""
    cursor = await connection.execute(
        """
        UPDATE tasks SET status = 'failed', progress = 0, ended_at = now(), error_code = %s, error_message = %s
        WHERE id = %s AND status IN ('pending', 'processing')
        """,
        (code, message, task_id),
    )
    return cursor.rowcount == 1


async def count_worker_death(connection: Connection, task_id: str, taken_at: datetime) -> int:
    """Note that a worker died which took the task at `taken_at`; how many died drawing it by now.

    A task that only waited in that worker for its turn is not to blame, and is not counted.
    """
    cursor = await connection.execute(
        """
        UPDATE tasks SET
            worker_deaths = worker_deaths + (status = 'processing' AND coalesce(started_at >= %s, true))::int
        WHERE id = %s RETURNING worker_deaths
        """,
        (taken_at, task_id),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def renew_link(connection: Connection, task_id: str, now: datetime, expires_at: datetime) -> None:
    """Give a completed task's picture a fresh link, unless the one it has still lives."""
    await connection.execute(
        """
        UPDATE tasks SET link_expires_at = %s
        WHERE id = %s AND link_expires_at <= %s AND picture_withdrawn_at IS NULL
        """,
        (expires_at, task_id, now),
    )
