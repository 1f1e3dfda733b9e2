"""How fast pictures are being drawn, and which tasks are next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from easel.store.database import Reader
from easel.store.queue import DRAW, STALLED_AFTER_S

LINE_MAX: Final = 10_000
"""Maximum number of tasks read. A task further back is reported as the next one after these."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The data for an estimate: average seconds of recent draws (None before the first), live workers, unfinished
    tasks."""

    draw_s: float | None
    workers: int
    unfinished: int


async def measure(connection: Reader) -> Pace:
    """The pace of the latest 50 pictures, and how much is left to draw."""
    cursor = connection.cursor(row_factory=class_row(Pace))
    await cursor.execute(
        """
        SELECT
            (SELECT avg(draw_ms) / 1000.0 FROM (
                SELECT draw_ms FROM tasks WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL
                ORDER BY ended_at DESC LIMIT 50
            ) AS latest)::float AS draw_s,
            (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat
                BETWEEN now() - make_interval(secs => %(after_s)s) AND now() + make_interval(secs => %(after_s)s))::int
                AS workers,
            (SELECT coalesce(sum(unfinished), 0) FROM api_keys)::int AS unfinished
        """,
        {"after_s": STALLED_AFTER_S},
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


@dataclass(frozen=True, slots=True)
class Line:
    """Ids of the tasks whose drawing has not begun, in drawing order: first those that a worker has taken, then those
    that wait, at most LINE_MAX. `last_position` is the position of the task that was accepted last."""

    task_ids: Sequence[str]
    last_position: int


async def line(connection: Reader) -> Line:
    """The line as it is now. Tasks that are accepted while it is read may be missing, whatever their position."""
    row = await (await connection.execute("SELECT coalesce(max(position), 0) FROM tasks")).fetchone()
    assert row is not None
    cursor = await connection.execute(
        """
        SELECT task_id FROM (
            SELECT tasks.id AS task_id, false AS is_waiting, job.priority, job.id
            FROM procrastinate_jobs AS job JOIN tasks ON tasks.id = job.args ->> 'task_id'
            WHERE job.status = 'doing' AND job.worker_id IS NOT NULL AND job.queue_name = %(queue)s
              AND tasks.status = 'pending'
            UNION ALL (
                SELECT args ->> 'task_id', true, priority, id FROM procrastinate_jobs
                WHERE status = 'todo' AND queue_name = %(queue)s ORDER BY priority DESC, id LIMIT %(line_max)s
            )
        ) AS line ORDER BY is_waiting, priority DESC, id
        """,
        {"queue": DRAW, "line_max": LINE_MAX},
    )
    return Line([task_id for (task_id,) in await cursor.fetchall()], last_position=row[0])
