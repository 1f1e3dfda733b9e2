"""The rows of tasks: adding, reading, and the moves from one state to the next.

Every move names the states that it starts from, so that one which comes too late changes nothing and says so.
Money is not moved here.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row, kwargs_row

from easel.domain.errors import EaselError
from easel.domain.order import Order, OutputFormat
from easel.domain.task import ErrorCode, Status
from easel.store.database import Connection
from easel.store.queue import STALLED_AFTER_S


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


# Named rather than `*`, so that a column which a newer version adds breaks nothing here.
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


@dataclass(frozen=True, slots=True)
class Pace:
    """What an estimate is made from: seconds a draw lately took (None: none yet), workers drawing, tasks unfinished."""

    draw_s: float | None
    workers: int
    unfinished: int


def _task(**columns: Any) -> Task:
    """The database gives text for a status, which equals its Status but is not it."""
    return Task(**{**columns, "status": Status(columns["status"])})


_TASK_ROWS: Final = kwargs_row(_task)

_ADD: Final = sql.SQL("""
    INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
        model, prompt, width_px, height_px, seed, nsfw_check, callback_url, output_format,
        estimated_time_s, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    RETURNING {}
""").format(_COLUMNS)

_FIND: Final = sql.SQL("SELECT {} FROM tasks WHERE id = %s AND account_id = %s").format(_COLUMNS)

_BEGIN: Final = sql.SQL("""
    UPDATE tasks SET status = 'processing', progress = 0, started_at = now()
    WHERE id = %s AND status IN ('pending', 'processing') RETURNING {}
""").format(_COLUMNS)


async def add(connection: Connection, task: NewTask) -> Task:
    """Add a pending task. Raises TaskIdTaken."""
    order = task.order
    cursor = connection.cursor(row_factory=_TASK_ROWS)
    values = (
        task.id, task.account_id, task.api_key_id, task.request_id, task.public_url, task.user_group,
        task.price_microcredits, order.model, order.prompt, order.width_px, order.height_px, task.seed,
        order.nsfw_check, order.callback_url, order.output_format, task.estimated_time_s, task.created_at,
    )  # fmt: skip
    try:
        await cursor.execute(_ADD, values)
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


async def begin(connection: Connection, task_id: str) -> Task | None:
    """Move a task to `processing`, from the beginning; None when it has ended.

    A task that is `processing` already lost its worker, or is drawn twice, which harms nothing.
    """
    cursor = connection.cursor(row_factory=_TASK_ROWS)
    await cursor.execute(_BEGIN, (task_id,))
    return await cursor.fetchone()


async def report_progress(connection: Connection, task_id: str, progress: int) -> None:
    """Note how far the drawing is. Does not wait for the disk: losing it in a crash loses nothing."""
    await connection.execute("SET LOCAL synchronous_commit = off")
    await connection.execute(
        "UPDATE tasks SET progress = %s WHERE id = %s AND status = 'processing'", (progress, task_id)
    )


async def complete(connection: Connection, task_id: str, outcome: Outcome) -> bool:
    """Move a task to `completed`; False when it had ended otherwise."""
    cursor = await connection.execute(
        """
        UPDATE tasks SET status = 'completed', progress = 100, ended_at = %s, engine = %s, draw_ms = %s,
            picture_name = %s, picture_bytes = %s, link_expires_at = %s
        WHERE id = %s AND status = 'processing'
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
        "UPDATE tasks SET link_expires_at = %s WHERE id = %s AND link_expires_at <= %s", (expires_at, task_id, now)
    )


async def ahead_of(connection: Connection, position: int) -> int:
    """How many unfinished tasks were accepted before this one."""
    cursor = await connection.execute(
        "SELECT count(*) FROM tasks WHERE status IN ('pending', 'processing') AND position < %s", (position,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def pace(connection: Connection) -> Pace:
    """How fast pictures are drawn now, from the latest 50, and how much is left to draw."""
    cursor = connection.cursor(row_factory=class_row(Pace))
    await cursor.execute(
        """
        SELECT
            (SELECT avg(draw_ms) / 1000.0 FROM (
                SELECT draw_ms FROM tasks WHERE status = 'completed' ORDER BY ended_at DESC LIMIT 50
            ) AS latest)::float AS draw_s,
            (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s))::int
                AS workers,
            (SELECT count(*) FROM tasks WHERE status IN ('pending', 'processing'))::int AS unfinished
        """,
        (STALLED_AFTER_S,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row
