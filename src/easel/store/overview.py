"""What an operator wants to see at a glance: the queue, the workers, what failed, and what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from easel.store.database import Reader
from easel.store.workers import IS_LIVE, STALLED_AFTER_S

WORKERS_MAX: Final = 1000
WORKER_TASKS_MAX: Final = 20
"""The most tasks that are named for a worker, oldest first."""


@dataclass(frozen=True, slots=True)
class Queue:
    """How many tasks wait and how many workers hold, and how long the oldest of those that wait has waited."""

    waiting: int
    taken: int
    oldest_waiting_s: float


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker that is alive, and the ids of the tasks that it holds. `paused_because`: why it takes none at present.

    The last three are None for a worker of an earlier version.
    """

    id: int
    started_at: datetime
    draws_at_once: int
    tasks: Sequence[str]
    paused_because: str | None
    engine: str | None
    device: str | None
    pictures_last_hour: int | None


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """How many pictures an engine drew in the last hour, and how long it took for one."""

    engine: str
    pictures: int
    mean_draw_ms: float


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How many tasks failed with a code in the last day."""

    code: str
    tasks: int


@dataclass(frozen=True, slots=True)
class HeldCredits:
    """Micro-credits of all accounts: held for unfinished tasks, and free to spend."""

    reserved: int
    available: int


@dataclass(frozen=True, slots=True)
class Stored:
    """How many pictures are stored, and their size."""

    pictures: int
    size_bytes: int


async def queue(connection: Reader) -> Queue:
    """The queue now."""
    cursor = connection.cursor(row_factory=class_row(Queue))
    await cursor.execute(
        """
        SELECT (SELECT count(*) FROM tasks WHERE queue_state = 'waiting') AS waiting,
            (SELECT count(*) FROM tasks WHERE queue_state = 'taken') AS taken,
            coalesce((SELECT greatest(0, extract(epoch FROM now() - created_at)) FROM tasks
                WHERE queue_state = 'waiting' ORDER BY position LIMIT 1), 0)::float AS oldest_waiting_s
        """
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def live_workers(connection: Reader) -> Sequence[LiveWorker]:
    """The live workers, oldest first, at most WORKERS_MAX."""
    cursor = connection.cursor(row_factory=class_row(LiveWorker))
    await cursor.execute(
        f"""
        SELECT id, started_at, draws_at_once, paused_because, engine, device, pictures_last_hour,
            ARRAY (SELECT id FROM tasks WHERE queue_state = 'taken' AND worker_id = worker.id
                   ORDER BY taken_at LIMIT %(tasks_max)s) AS tasks
        FROM workers AS worker WHERE {IS_LIVE} ORDER BY id LIMIT %(count_max)s
        """,  # noqa: S608 - a constant of ours
        {"silent_s": STALLED_AFTER_S, "count_max": WORKERS_MAX, "tasks_max": WORKER_TASKS_MAX},
    )
    return await cursor.fetchall()


async def output(connection: Reader) -> Sequence[EngineOutput]:
    """What each engine drew in the last hour. Leaves out pictures that were deleted meanwhile."""
    cursor = connection.cursor(row_factory=class_row(EngineOutput))
    await cursor.execute(
        """
        SELECT engine, count(*) AS pictures, avg(draw_ms)::float AS mean_draw_ms FROM tasks
        WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL AND ended_at > now() - interval '1 hour'
        GROUP BY engine ORDER BY engine
        """
    )
    return await cursor.fetchall()


async def failures(connection: Reader) -> Sequence[FailureCount]:
    """How many tasks failed in the last day, by code, most frequent first."""
    cursor = connection.cursor(row_factory=class_row(FailureCount))
    await cursor.execute(
        """
        SELECT error_code AS code, count(*) AS tasks FROM tasks
        WHERE status = 'failed' AND ended_at > now() - interval '1 day' GROUP BY error_code ORDER BY tasks DESC, code
        """
    )
    return await cursor.fetchall()


async def callbacks_by_state(connection: Reader) -> dict[str, int]:
    """How many callbacks are being delivered, and how many of the last day have failed."""
    cursor = await connection.execute(
        """
        SELECT (SELECT count(*) FROM callbacks WHERE state = 'delivering' AND NOT is_erased),
            (SELECT count(*) FROM callbacks
             WHERE created_at > now() - interval '1 day' AND state = 'failed' AND NOT is_erased)
        """
    )
    row = await cursor.fetchone()
    assert row is not None
    return {"delivering": row[0], "failed": row[1]}


async def held_credits(connection: Reader) -> HeldCredits:
    """The sums of all accounts."""
    cursor = connection.cursor(row_factory=class_row(HeldCredits))
    await cursor.execute(
        """
        SELECT coalesce(sum(reserved_microcredits), 0)::bigint AS reserved,
            coalesce(sum(available_microcredits), 0)::bigint AS available
        FROM accounts
        """
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def stored(connection: Reader) -> Stored:
    """What the pictures that are not deleted yet take up. Reads an entry for each of them."""
    cursor = connection.cursor(row_factory=class_row(Stored))
    await cursor.execute(
        """
        SELECT count(*) AS pictures, coalesce(sum(picture_bytes), 0)::bigint AS size_bytes FROM tasks
        WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL
        """
    )
    row = await cursor.fetchone()
    assert row is not None
    return row
