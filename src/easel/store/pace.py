"""How fast pictures are drawn now, and who is next in line."""

from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from easel.store.database import Connection
from easel.store.queue import DRAW, STALLED_AFTER_S

LINE_MAX: Final = 10_000
"""Places that are told apart; whoever stands further back is told that many."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What an estimate is made from: seconds a draw lately took (None: none yet), workers drawing, tasks unfinished."""

    draw_s: float | None
    workers: int
    unfinished: int


async def measure(connection: Connection) -> Pace:
    """The pace of the latest 50 pictures, and how much is left to draw."""
    cursor = connection.cursor(row_factory=class_row(Pace))
    await cursor.execute(
        """
        SELECT
            (SELECT avg(draw_ms) / 1000.0 FROM (
                SELECT draw_ms FROM tasks WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL
                ORDER BY ended_at DESC LIMIT 50
            ) AS latest)::float AS draw_s,
            (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s))::int
                AS workers,
            (SELECT coalesce(sum(unfinished), 0) FROM api_keys)::int AS unfinished
        """,
        (STALLED_AFTER_S,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def line(connection: Connection) -> list[str]:
    """The ids of the tasks that no worker has taken yet, in the order of their drawing, at most LINE_MAX."""
    cursor = await connection.execute(
        """
        SELECT args ->> 'task_id' FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = %s
        ORDER BY priority DESC, id LIMIT %s
        """,
        (DRAW, LINE_MAX),
    )
    return [task_id for (task_id,) in await cursor.fetchall()]
