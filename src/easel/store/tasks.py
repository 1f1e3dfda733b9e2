"""Tasks: reading their rows, and what changes in them while they are drawn.

Every change names the states that it may start from, so a late one changes nothing and reports that.
`acceptance` creates tasks, and `endings` ends them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from psycopg import sql

from easel.domain.order import OutputFormat
from easel.domain.task import Status, progress_percent
from easel.store import notifications
from easel.store.database import Reader, Writer
from easel.store.preview_notices import Preview

TaskKey: TypeAlias = tuple[int, str]
"""The id of an account, and the id of a task that should belong to it."""


class Task(NamedTuple):
    """One row. Times have a time zone; sizes are in pixels; `progress` is in per cent.

    A tuple, because a frozen dataclass of as many fields takes several times as long to make.
    """

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
    is_prompt_judged: bool
    is_judged_by_rules: bool
    not_drawn: list[str] | None
    wants_previews: bool


# Named instead of `*`, so that a column that a newer version adds breaks nothing here.
# Statements are composed once: composing one takes longer than sending it.
COLUMNS: Final = sql.SQL(", ").join(sql.Identifier(name) for name in Task._fields)


def columns_of(table: str) -> sql.Composed:
    """COLUMNS, of a table under this name."""
    return sql.SQL(", ").join(sql.Identifier(table, name) for name in Task._fields)


_STATUS_AT: Final = Task._fields.index("status")


def task_of(columns: Sequence[Any]) -> Task:
    """The task in COLUMNS. The database returns a status as text, which equals its Status but is not one."""
    values = list(columns)
    values[_STATUS_AT] = Status(values[_STATUS_AT])
    return Task(*values)


def task_rows(_cursor: object) -> Callable[[Sequence[Any]], Task]:
    """Makes a cursor that selects COLUMNS return tasks."""
    return task_of


_FIND: Final = sql.SQL("SELECT {} FROM tasks WHERE id = %s AND account_id = %s").format(COLUMNS).as_bytes()

_FIND_ALL: Final = sql.SQL("SELECT {} FROM tasks WHERE id = ANY (%s)").format(COLUMNS).as_bytes()

_BEGIN: Final = (
    sql.SQL("""
    WITH begun AS (
        UPDATE tasks SET status = 'processing', progress = 0, steps_done = 0, steps_total = 0, started_at = now()
        WHERE id = %s AND status IN ('pending', 'processing') RETURNING {columns}
    )
    SELECT {columns} FROM begun
    WHERE setval('fair_share_clock', greatest(tag, 0)) IS NOT NULL AND {announce} IS NOT NULL
""")
    .format(columns=COLUMNS, announce=notifications.announce("id"))
    .as_bytes()
)

_RECORD_STEPS: Final = sql.SQL("""
    WITH reported AS (
        UPDATE tasks SET status = 'processing', started_at = coalesce(started_at, now()), progress = %s,
            steps_done = %s, steps_total = %s
        WHERE id = %s AND status IN ('pending', 'processing') RETURNING id
    )
    SELECT {} FROM reported
""")
_RECORD: Final = _RECORD_STEPS.format(notifications.announce("id")).as_bytes()
_RECORD_AND_SHOW: Final = _RECORD_STEPS.format(
    sql.SQL(", ").join([notifications.announce("id"), notifications.send_preview()])
).as_bytes()

_WANT_PREVIEWS: Final = b"""
    UPDATE tasks SET wants_previews = true
    WHERE id = %s AND status IN ('pending', 'processing') AND NOT wants_previews
"""


async def find(connection: Reader, account_id: int, task_id: str) -> Task | None:
    """A task of this account; None if it has no task with that id, even if another account does."""
    cursor = connection.cursor(row_factory=task_rows)
    await cursor.execute(_FIND, (task_id, account_id))
    return await cursor.fetchone()


async def find_all(connection: Reader, task_ids: Sequence[str]) -> list[Task]:
    """Tasks of any account, in no order. Unknown ids are left out."""
    cursor = connection.cursor(row_factory=task_rows)
    await cursor.execute(_FIND_ALL, (list(task_ids),))
    return await cursor.fetchall()


async def find_each(connection: Reader, keys: Sequence[TaskKey]) -> dict[TaskKey, Task]:
    """Tasks by their account and id. Leaves out a task that belongs to another account than its key says."""
    found = await find_all(connection, [task_id for _, task_id in keys])
    return {(task.account_id, task.id): task for task in found}


async def begin(connection: Writer, task_id: str) -> Task | None:
    """Move a task to `processing`, at its first step. Returns None if the task has ended.

    If the task already is `processing`, it lost its worker or is being drawn twice, which is harmless.
    """
    cursor = connection.cursor(row_factory=task_rows)
    await cursor.execute(_BEGIN, (task_id,))
    return await cursor.fetchone()


async def record_steps(
    connection: Writer, task_id: str, steps_done: int, steps_total: int, preview: bytes | None = None
) -> bool:
    """Record the progress of a draw, and send a preview of it if there is one. Returns False if the task has ended.

    If a crash of the database lost the task's start, this starts it again.
    """
    values: tuple[object, ...] = (progress_percent(steps_done, steps_total), steps_done, steps_total, task_id)
    statement = _RECORD
    if preview is not None:
        statement, values = _RECORD_AND_SHOW, (*values, Preview(task_id, steps_done, steps_total, preview).payload())
    return await (await connection.execute(statement, values)).fetchone() is not None


async def want_previews(connection: Writer, task_id: str) -> bool:
    """Record that somebody wants previews of an unfinished task. Returns False if that changes nothing."""
    return (await connection.execute(_WANT_PREVIEWS, (task_id,))).rowcount == 1


async def count_worker_death(connection: Writer, task_id: str, taken_at: datetime) -> int:
    """Record that a worker died after it took the task at `taken_at`. Returns how many workers have died drawing it.

    A task that only waited in that worker did not cause the death, so its count stays the same.
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


async def renew_links(connection: Writer, task_ids: Sequence[str], now: datetime, expires_at: datetime) -> None:
    """Give completed tasks' pictures new links, unless their current ones are still valid."""
    await connection.execute(
        """
        UPDATE tasks SET link_expires_at = %s
        WHERE id IN (
            SELECT id FROM tasks WHERE id = ANY (%s) AND link_expires_at <= %s AND picture_withdrawn_at IS NULL
            ORDER BY id FOR NO KEY UPDATE)
        """,  # locked in one order, so that two readers of the same tasks cannot deadlock
        (expires_at, list(task_ids), now),
    )
