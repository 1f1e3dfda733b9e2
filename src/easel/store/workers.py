"""The worker processes that the database knows, and their heartbeats.

A worker that was silent for STALLED_AFTER_S is deleted by the rescue. One that is alive all the same notices with its
next heartbeat, and registers again under a new id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from easel.store.database import Reader, Writer

HEARTBEAT_S: Final = 1.0
STALLED_AFTER_S: Final = 4.0
"""A worker that is silent for this long counts as dead, and its tasks go to others. A heartbeat this far in the future
also means silence: it was written before the clock was set back."""

IS_LIVE: Final[LiteralString] = (
    "heartbeat_at BETWEEN now() - make_interval(secs => %(silent_s)s) AND now() + make_interval(secs => %(silent_s)s)"
)
"""An SQL condition on a row of `workers`: its heartbeat is at most `silent_s` old."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The database's time, and when its server started."""

    now: datetime
    server_started_at: datetime


@dataclass(frozen=True, slots=True)
class Beat:
    """What the database answers to a heartbeat: whether it knows the worker, and which tasks it has taken."""

    clock: Clock
    is_registered: bool
    held: Sequence[str]


@dataclass(frozen=True, slots=True)
class Census:
    """How many workers are alive, how many of them have room for another task, and how many take none at present,
    because their engines fail."""

    live: int
    idle: int
    paused: int = 0

    @property
    def busy(self) -> int:
        """How many draw."""
        return self.live - self.idle - self.paused


async def register(connection: Writer, draws_at_once: int, engine: str | None = None, device: str | None = None) -> int:
    """Add a worker, and return its id. `engine` and `device` say what it draws with."""
    cursor = await connection.execute(
        """
        INSERT INTO workers (draws_at_once, is_idle, engine, device, pictures_last_hour) VALUES (%s, true, %s, %s, 0)
        RETURNING id
        """,
        (draws_at_once, engine, device),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def unregister(connection: Writer, worker_id: int) -> None:
    """Delete a worker. The rescue hands back what it still holds, and counts no death."""
    await connection.execute("DELETE FROM workers WHERE id = %s", (worker_id,))


_BEAT: Final = b"""
    WITH beat AS (
        UPDATE workers SET heartbeat_at = now(), is_idle = %(is_idle)s, paused_because = %(paused_because)s,
            pictures_last_hour = %(pictures)s
        WHERE id = %(id)s RETURNING id
    )
    SELECT clock_timestamp(), pg_postmaster_start_time(), EXISTS (SELECT FROM beat),
        ARRAY (SELECT id FROM tasks WHERE queue_state = 'taken' AND worker_id = %(id)s)
"""


async def beat(
    connection: Writer, worker_id: int, *, is_idle: bool, paused_because: str | None = None, pictures_last_hour: int = 0
) -> Beat:
    """Record that a worker is alive, why it takes no tasks at present, if so, and what it drew in the last hour."""
    values = {"id": worker_id, "is_idle": is_idle, "paused_because": paused_because, "pictures": pictures_last_hour}
    row = await (await connection.execute(_BEAT, values)).fetchone()
    assert row is not None
    return Beat(Clock(row[0], row[1]), row[2], row[3])


async def census(connection: Reader) -> Census:
    """Count the live workers."""
    cursor = await connection.execute(
        f"""
        SELECT count(*), count(*) FILTER (WHERE is_idle), count(*) FILTER (WHERE paused_because IS NOT NULL)
        FROM workers WHERE {IS_LIVE}
        """,  # noqa: S608 - ours
        {"silent_s": STALLED_AFTER_S},
    )
    row = await cursor.fetchone()
    assert row is not None
    return Census(row[0], row[1], row[2])


async def pauses(connection: Reader) -> list[str]:
    """Why live workers take no tasks at present, one text for each of them."""
    cursor = await connection.execute(
        f"SELECT paused_because FROM workers WHERE paused_because IS NOT NULL AND {IS_LIVE} ORDER BY id",  # noqa: S608
        {"silent_s": STALLED_AFTER_S},
    )
    return [reason for (reason,) in await cursor.fetchall()]


async def delete_silent(connection: Writer) -> None:
    """Delete workers that were silent for longer than STALLED_AFTER_S."""
    await connection.execute(f"DELETE FROM workers WHERE NOT ({IS_LIVE})", {"silent_s": STALLED_AFTER_S})  # noqa: S608


async def delete_all(connection: Writer) -> None:
    """Delete all workers. In a restored database none is alive, and none has died. Their tasks go to others."""
    await connection.execute("DELETE FROM workers")
