"""The queue: Procrastinate's tables, written in our own transactions.

A job names a task and nothing more. It may run twice; the task's row decides what that means.
A job is deleted when it ends, since the task's row is the record.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import procrastinate.manager
import procrastinate.sql
import procrastinate.utils
from procrastinate.jobs import Job
from psycopg import sql
from psycopg.rows import class_row

from easel.store.database import Reader, Writer

DRAW: Final = "draw"
"""Both the queue's name and its only job's."""

HEARTBEAT_S: Final = 1.0
STALLED_AFTER_S: Final = 4.0
"""A worker silent for this long is taken for dead and its jobs go to others."""
# A heartbeat that lies in the future by as much was written before the clock was set back, and none has come since.
ABANDONED_AFTER_S: Final = 60.0
"""A job whose worker has been silent for this long is held by nobody, and no other worker is there to rescue it."""

RETRY_PAUSE_S_MAX: Final = 5.0
"""Longest that a job which is handed back waits before it is taken again."""


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job that a worker has taken, when it did, and the task that it would draw.

    `worker_id` is None when that worker has left in order, or was forgotten.
    """

    job_id: int
    task_id: str
    worker_id: int | None
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The database's time, and the time when its server was started."""

    now: datetime
    server_started_at: datetime


def add_draw(task_id: str, priority: str) -> sql.Composed:
    """An expression that queues the drawing of a task; the columns or expressions named hold its id and an int4, of which
    a higher one is drawn earlier."""
    # In the queue's own function rather than through the library, which takes longer to say it than the database to do.
    # The task's id as the lock lets a waiting job be found by it.
    return sql.SQL("""
        procrastinate_defer_jobs_v1(ARRAY[
            ROW({queue}, {queue}, {priority}, NULL, {task_id}, jsonb_build_object('task_id', {task_id}), NULL)
            ::procrastinate_job_to_defer_v1
        ])
    """).format(queue=sql.Literal(DRAW), priority=sql.SQL(priority), task_id=sql.Identifier(task_id))


class JobManager(procrastinate.manager.JobManager):
    """Procrastinate's, but for the statements that take a job and hand it back.

    Its own way to take one looks through the whole queue for jobs with the same lock, which ours never have: with thousands waiting, a
    quarter of a second for each job. Its own way to hand one back compares two machines' clocks.
    """

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The first job in line, which is this worker's from now on; None when nothing waits."""
        row = await self.connector.execute_query_one_async(
            query=_TAKE, queue=DRAW, worker_id=worker_id, pause_s_max=RETRY_PAUSE_S_MAX
        )
        return None if row["id"] is None else Job.from_row(row)

    async def retry_job_by_id_async(
        self,
        job_id: int,
        retry_at: datetime,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Hand a job back. `retry_at` is a moment of this machine's clock, and becomes one of the database's."""
        pause_s = (retry_at - procrastinate.utils.utcnow()).total_seconds()
        await self.connector.execute_query_async(
            query=_RETRY,
            job_id=job_id,
            pause_s=min(max(0.0, pause_s), RETRY_PAUSE_S_MAX),
            priority=priority,
            queue=queue,
            lock=lock,
        )


_RETRY: Final = """
    SELECT procrastinate_retry_job_v2(
        %(job_id)s, now() + make_interval(secs => %(pause_s)s), %(priority)s, %(queue)s, %(lock)s)
"""


_TAKE: Final = """
    WITH taken AS (
        UPDATE procrastinate_jobs SET status = 'doing', worker_id = %(worker_id)s
        WHERE id = (
            SELECT id FROM procrastinate_jobs
            WHERE status = 'todo' AND queue_name = %(queue)s AND (scheduled_at IS NULL OR scheduled_at <= now()
                -- Nothing waits for so long: the clock was set back.
                OR scheduled_at > now() + make_interval(secs => %(pause_s_max)s))
            ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id
    )
    SELECT taken.* FROM (SELECT 1) AS always LEFT JOIN taken ON true
"""


def take_off(job_id: str) -> sql.Composed:
    """A statement, to which a further condition may be added, that takes a job off the queue, whoever holds it.
    `job_id` names the parameter that holds its id."""
    return sql.SQL("DELETE FROM procrastinate_jobs WHERE procrastinate_jobs.id = {}").format(sql.Placeholder(job_id))


async def take_off_waiting(connection: Writer, task_id: str) -> bool:
    """Take a task's job off the queue; False when a worker has it: that one finds out when it begins.

    A job that a worker had before is left for the next to take it: that one finds out too, and whether the first, before
    it died, had stored a picture that nobody will be shown.
    """
    cursor = await connection.execute(
        "DELETE FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo' AND attempts = 0", (task_id,)
    )
    return cursor.rowcount == 1


async def take_off_unheld(connection: Writer, task_id: str) -> bool:
    """Take a task's job off the queue; False when a living worker has it."""
    cursor = await connection.execute(
        """
        DELETE FROM procrastinate_jobs AS job WHERE queueing_lock = %(task_id)s AND (status = 'todo' OR NOT EXISTS (
            SELECT 1 FROM procrastinate_workers AS worker WHERE worker.id = job.worker_id AND last_heartbeat
                BETWEEN now() - make_interval(secs => %(after_s)s) AND now() + make_interval(secs => %(after_s)s)))
        """,
        {"task_id": task_id, "after_s": ABANDONED_AFTER_S},
    )
    return cursor.rowcount == 1


async def clock(connection: Reader) -> Clock:
    """What the database takes the time to be."""
    cursor = connection.cursor(row_factory=class_row(Clock))
    await cursor.execute("SELECT clock_timestamp() AS now, pg_postmaster_start_time() AS server_started_at")
    row = await cursor.fetchone()
    assert row is not None
    return row


async def stalled(connection: Writer) -> list[TakenJob]:
    """Jobs whose worker is gone or silent for longer than STALLED_AFTER_S."""
    # A job whose row is locked is being ended at this moment; if it is not, the next look finds it.
    cursor = connection.cursor(row_factory=class_row(TakenJob))
    await cursor.execute(
        """
        SELECT job.id AS job_id, job.args ->> 'task_id' AS task_id, job.worker_id,
            (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'started') AS taken_at
        FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
        WHERE job.status = 'doing' AND job.queue_name = %(draw)s AND (worker.id IS NULL OR worker.last_heartbeat
            NOT BETWEEN now() - make_interval(secs => %(after_s)s) AND now() + make_interval(secs => %(after_s)s))
        FOR UPDATE OF job SKIP LOCKED
        """,
        {"draw": DRAW, "after_s": STALLED_AFTER_S},
    )
    return await cursor.fetchall()


async def forget_silent_workers(connection: Writer) -> None:
    """Remove workers silent for longer than STALLED_AFTER_S. One that lives after all is told so when it next asks."""
    await connection.execute(
        """
        DELETE FROM procrastinate_workers WHERE last_heartbeat
            NOT BETWEEN now() - make_interval(secs => %(after_s)s) AND now() + make_interval(secs => %(after_s)s)
        """,
        {"after_s": STALLED_AFTER_S},
    )


async def held_by(connection: Reader, worker_id: int) -> list[int]:
    """Ids of the jobs that one worker has taken and not ended."""
    cursor = await connection.execute(
        "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %s", (worker_id,)
    )
    return [job_id for (job_id,) in await cursor.fetchall()]


async def lock_held(connection: Writer, worker_id: int, job_ids: Sequence[int]) -> list[int]:
    """Those of the jobs that the worker still has, which nobody else can end before this transaction does."""
    cursor = await connection.execute(
        """
        SELECT id FROM procrastinate_jobs
        WHERE status = 'doing' AND worker_id = %s AND id = ANY (%s) FOR UPDATE SKIP LOCKED
        """,
        (worker_id, list(job_ids)),
    )
    return [job_id for (job_id,) in await cursor.fetchall()]


async def hand_back(connection: Writer, job_id: int) -> None:
    """Let another worker take a job, at once."""
    await connection.execute(
        procrastinate.sql.queries["retry_job"],
        {"job_id": job_id, "retry_at": None, "new_priority": None, "new_queue_name": None, "new_lock": None},
    )
    # Procrastinate's triggers announce new jobs only; without this, idle workers would find the job at their next poll.
    await connection.execute(
        "SELECT pg_notify(%s, json_build_object('type', 'job_inserted', 'job_id', %s::bigint)::text)",
        (f"procrastinate_queue_v1#{DRAW}", job_id),
    )


async def live_workers(connection: Reader) -> int:
    """How many workers have been heard of lately. Each draws one picture at a time."""
    cursor = await connection.execute(
        """
        SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat
            BETWEEN now() - make_interval(secs => %(after_s)s) AND now() + make_interval(secs => %(after_s)s)
        """,
        {"after_s": STALLED_AFTER_S},
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def beat(connection: Writer, worker_id: int) -> None:
    """Say that a worker lives."""
    await connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %s", (worker_id,))
