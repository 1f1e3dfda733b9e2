"""How fast pictures are being drawn, and which tasks are next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from easel.store.database import Reader
from easel.store.workers import IS_LIVE, STALLED_AFTER_S

LINE_MAX: Final = 10_000
"""Maximum number of tasks read. A task further back is reported as the next one after these."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The data for an estimate: average seconds of the recent draws of those engines that draw now (None before the
    first), workers that take tasks, unfinished tasks, and those engines."""

    draw_s: float | None
    workers: int
    unfinished: int
    engines: Sequence[str] = ()


async def measure(connection: Reader) -> Pace:
    """The pace of the latest 50 pictures, and how much is left to draw."""
    cursor = connection.cursor(row_factory=class_row(Pace))
    await cursor.execute(
        f"""
        WITH drawing AS MATERIALIZED (
            SELECT count(*)::int AS workers, coalesce(array_agg(DISTINCT engine) FILTER (WHERE engine IS NOT NULL), '{{}}') AS engines
            FROM workers WHERE paused_because IS NULL AND {IS_LIVE}
        )
        SELECT
            (SELECT avg(draw_ms) / 1000.0 FROM (
                SELECT draw_ms, engine FROM tasks WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL
                ORDER BY ended_at DESC LIMIT 50
            ) AS latest WHERE engines = '{{}}' OR engine = ANY(engines))::float AS draw_s,
            workers,
            (SELECT coalesce(sum(unfinished), 0) FROM api_keys)::int AS unfinished,
            engines
        FROM drawing
        """,  # noqa: S608 - a constant of ours
        {"silent_s": STALLED_AFTER_S},
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
        SELECT id FROM (
            SELECT id, false AS is_waiting, tag, position FROM tasks
            WHERE queue_state = 'taken' AND status = 'pending'
                AND EXISTS (SELECT FROM workers WHERE workers.id = tasks.worker_id)
            UNION ALL (
                SELECT id, true, tag, position FROM tasks
                WHERE queue_state = 'waiting' ORDER BY tag, position LIMIT %s
            )
        ) AS line ORDER BY is_waiting, tag, position
        """,
        (LINE_MAX,),
    )
    return Line([task_id for (task_id,) in await cursor.fetchall()], last_position=row[0])
