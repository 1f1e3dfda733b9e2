"""The queue: which tasks wait to be drawn, and which worker has taken the others. It is part of the tasks' rows.

    (accepted) ──> waiting ── claim ──> taken ── the task ends ──> not in the queue
                      ^                   │
                      └──── hand back ────┘

`acceptance` puts a task into the queue, and `endings` takes it out, each in the statement that changes the task. The
queue orders by `tag`, and then by the order of acceptance. A task that has ended may still be waiting or taken: the
worker that has it, or takes it next, deletes a picture that may have been stored for it, and then it leaves.

Two workers may draw the same task, and the task's row decides what the second one does. Claims need not wait for the
disk: if a crash loses one, the task is waiting again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.rows import class_row

from easel.store import notifications
from easel.store.database import Reader, Writer
from easel.store.tasks import COLUMNS, Task, task_rows
from easel.store.workers import IS_LIVE, STALLED_AFTER_S

ABANDONED_AFTER_S: Final = 60.0
"""A task whose worker is silent for this long counts as unheld: no other worker is there to rescue it."""

RETRY_PAUSE_S_MAX: Final = 5.0
"""Longest pause before a returned task can be taken again."""

LEAVES: Final = sql.SQL("queue_state = NULL, worker_id = NULL")
"""An SQL assignment that removes a task from the queue, whoever has it."""

LEAVES_UNLESS_TAKEN: Final = sql.SQL(
    "queue_state = CASE WHEN queue_state = 'waiting' AND taken_at IS NULL THEN NULL ELSE queue_state END"
)
"""An SQL assignment that removes a task from the queue if no worker ever had it. Otherwise a worker still has to delete
the picture that may have been stored for it."""

_HOLDER_LIVES: Final[LiteralString] = f"EXISTS (SELECT FROM workers WHERE workers.id = tasks.worker_id AND {IS_LIVE})"
IS_UNHELD: Final[LiteralString] = f"(queue_state = 'waiting' OR queue_state = 'taken' AND NOT {_HOLDER_LIVES})"
"""An SQL condition: a task is in the queue, and no worker that was heard of in the last `silent_s` has it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that a worker has taken.

    If `is_begun`, its drawing counts as begun. Otherwise the worker has no room for it yet. `was_taken` means that a
    worker had taken it before.
    """

    task: Task
    is_begun: bool
    was_taken: bool


@dataclass(frozen=True, slots=True)
class Stalled:
    """A taken task whose worker is silent, or unknown: then `worker_id` is None, since that worker has left."""

    task_id: str
    worker_id: int | None
    taken_at: datetime


_CLAIM: Final = (
    sql.SQL("""
    WITH next AS (
        SELECT id, tag, position, ended_at IS NULL AS is_unended, taken_at IS NOT NULL AS was_taken FROM tasks
        WHERE queue_state = 'waiting' AND EXISTS (SELECT FROM workers WHERE workers.id = %(worker_id)s)
            AND (retry_at IS NULL OR retry_at <= now()
                -- No pause is that long, so the clock was set back.
                OR retry_at > now() + make_interval(secs => %(pause_s_max)s))
        ORDER BY tag, position LIMIT %(count_max)s FOR NO KEY UPDATE SKIP LOCKED
    ), ordered AS (
        SELECT id, was_taken,
            is_unended AND row_number() OVER (ORDER BY tag, position) <= %(begun_max)s AS is_begun
        FROM next
    ), taken AS (
        UPDATE tasks SET queue_state = 'taken', worker_id = %(worker_id)s, taken_at = now(), retry_at = NULL,
            status = CASE WHEN is_begun THEN 'processing' ELSE status END,
            started_at = CASE WHEN is_begun THEN now() ELSE started_at END,
            progress = CASE WHEN is_begun THEN 0 ELSE progress END,
            steps_done = CASE WHEN is_begun THEN 0 ELSE steps_done END,
            steps_total = CASE WHEN is_begun THEN 0 ELSE steps_total END
        FROM ordered WHERE tasks.id = ordered.id
        RETURNING {of_tasks}, ordered.is_begun, ordered.was_taken
    ), clock AS (
        SELECT setval('fair_share_clock', max(greatest(tag, 0))) AS moved_to FROM taken WHERE ended_at IS NULL
    )
    SELECT {columns}, is_begun, was_taken
    FROM taken CROSS JOIN clock WHERE clock.moved_to IS DISTINCT FROM -1
""")
    .format(
        of_tasks=sql.SQL(", ").join(
            sql.SQL("tasks.") + column for column in COLUMNS if isinstance(column, sql.Identifier)
        ),
        columns=COLUMNS,
    )
    .as_bytes()
)


async def claim(connection: Writer, worker_id: int, count_max: int, begun_max: int) -> list[Claimed]:
    """Take the first waiting tasks for a worker, in their order, and begin the drawing of the first `begun_max`.

    Returns fewer if fewer wait, and none if the database does not know the worker. The others wait in the worker: their
    rows show no drawing until it reports a step, so a death of the worker is not counted against them.
    """
    cursor = connection.cursor(row_factory=_claimed_rows)
    values = {"worker_id": worker_id, "count_max": count_max, "begun_max": begun_max}
    await cursor.execute(_CLAIM, values | {"pause_s_max": RETRY_PAUSE_S_MAX})
    return sorted(await cursor.fetchall(), key=lambda claimed: (claimed.task.tag, claimed.task.position))


def _claimed_rows(cursor: object) -> Any:
    make_task = task_rows(cursor)
    return lambda columns: Claimed(make_task(columns[:-2]), columns[-2], columns[-1])


async def leave(connection: Writer, task_id: str) -> None:
    """Remove a task that has ended from the queue, whoever has it."""
    await connection.execute(
        """
        UPDATE tasks SET queue_state = NULL, worker_id = NULL
        WHERE id = %s AND queue_state IS NOT NULL AND ended_at IS NOT NULL
        """,
        (task_id,),
    )


_HAND_BACK: Final = (
    sql.SQL("""
    WITH returned AS (
        UPDATE tasks SET queue_state = 'waiting', worker_id = NULL,
            retry_at = now() + nullif(make_interval(secs => %(pause_s)s), interval '0')
        WHERE id = ANY (%(task_ids)s) AND queue_state = 'taken' AND worker_id = %(worker_id)s RETURNING id
    )
    SELECT id, {} FROM returned
""")
    .format(notifications.announce_work())
    .as_bytes()
)


async def hand_back(connection: Writer, worker_id: int, task_ids: Sequence[str], pause_s: float = 0.0) -> list[str]:
    """Return tasks to the queue that a worker holds. Any worker can take them after the pause. Returns their ids."""
    cursor = await connection.execute(
        _HAND_BACK,
        {"worker_id": worker_id, "task_ids": list(task_ids), "pause_s": min(pause_s, RETRY_PAUSE_S_MAX)},
    )
    return [row[0] for row in await cursor.fetchall()]


async def hand_back_all(connection: Writer, worker_id: int) -> list[str]:
    """Return everything to the queue that a worker holds. Returns the ids."""
    cursor = await connection.execute(
        "SELECT id FROM tasks WHERE queue_state = 'taken' AND worker_id = %s", (worker_id,)
    )
    return await hand_back(connection, worker_id, [task_id for (task_id,) in await cursor.fetchall()])


async def has_stalled(connection: Reader) -> bool:
    """Whether a worker is silent, or a task is held by a worker that the database does not know."""
    cursor = await connection.execute(
        f"""
        SELECT EXISTS (SELECT FROM workers WHERE NOT ({IS_LIVE})) OR EXISTS (
            SELECT FROM tasks WHERE queue_state = 'taken'
                AND NOT EXISTS (SELECT FROM workers WHERE workers.id = tasks.worker_id))
        """,  # noqa: S608 - a constant of ours
        {"silent_s": STALLED_AFTER_S},
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def stalled(connection: Writer) -> list[Stalled]:
    """Tasks whose worker is gone, or has been silent for longer than STALLED_AFTER_S. Nobody else can end them until
    this transaction ends."""
    # Skips locked rows, because those tasks are probably ending. If not, the next call finds them.
    cursor = connection.cursor(row_factory=class_row(Stalled))
    await cursor.execute(
        f"""
        SELECT tasks.id AS task_id, workers.id AS worker_id, taken_at
        FROM tasks LEFT JOIN workers ON workers.id = tasks.worker_id
        WHERE queue_state = 'taken' AND (workers.id IS NULL OR NOT ({IS_LIVE}))
        FOR NO KEY UPDATE OF tasks SKIP LOCKED
        """,  # noqa: S608 - a constant of ours
        {"silent_s": STALLED_AFTER_S},
    )
    return await cursor.fetchall()


async def held(connection: Writer, worker_id: int, task_id: str) -> Stalled | None:
    """The task, as long as this worker has it. Nobody else can end it until this transaction ends."""
    cursor = connection.cursor(row_factory=class_row(Stalled))
    await cursor.execute(
        """
        SELECT id AS task_id, worker_id, taken_at FROM tasks
        WHERE id = %s AND queue_state = 'taken' AND worker_id = %s FOR NO KEY UPDATE
        """,
        (task_id, worker_id),
    )
    return await cursor.fetchone()


async def release(connection: Writer, task_id: str) -> None:
    """Return a task to the queue whose worker is dead, or has lost its device."""
    await connection.execute(
        sql.SQL("""
            WITH returned AS (
                UPDATE tasks SET queue_state = 'waiting', worker_id = NULL, retry_at = NULL
                WHERE id = %s AND queue_state = 'taken' RETURNING id
            )
            SELECT {} FROM returned
        """).format(notifications.announce_work()),
        (task_id,),
    )
