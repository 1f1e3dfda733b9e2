"""The queue: Procrastinate's tables, written in Easel's own transactions.

A job contains only the id of a task. It may run twice, and the task's row decides what the second run does. A job is
deleted when it ends, because the task's row is the record.
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
"""The name of the queue, and of its only kind of job."""

HEARTBEAT_S: Final = 1.0
STALLED_AFTER_S: Final = 4.0
"""A worker that is silent for this long counts as dead, and its jobs go to others. A heartbeat this far in the future
also means silence: it was written before the clock was set back."""
ABANDONED_AFTER_S: Final = 60.0
"""A job whose worker is silent for this long counts as unheld: no other worker is there to rescue it."""

RETRY_PAUSE_S_MAX: Final = 5.0
"""Longest pause before a returned job can be taken again."""


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job that a worker has taken: the task to draw, the worker, and when it took the job.

    `worker_id` is None when that worker has stopped, or was deleted.
    """

    job_id: int
    task_id: str
    worker_id: int | None
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The database's time, and when its server started."""

    now: datetime
    server_started_at: datetime


def add_draw(task_id: str, priority: str) -> sql.Composed:
    """An SQL expression that queues a task. `task_id` names the column that holds its id. `priority` is an int4
    expression; tasks with a higher priority are drawn earlier."""
    # Calls the queue's own SQL function: going through the library takes longer than the statement itself.
    # The queueing lock is the task's id, so that a task's waiting job can be found.
    return sql.SQL("""
        procrastinate_defer_jobs_v1(ARRAY[
            ROW({queue}, {queue}, {priority}, NULL, {task_id}, jsonb_build_object('task_id', {task_id}), NULL)
            ::procrastinate_job_to_defer_v1
        ])
    """).format(queue=sql.Literal(DRAW), priority=sql.SQL(priority), task_id=sql.Identifier(task_id))


class JobManager(procrastinate.manager.JobManager):
    """Procrastinate's job manager, with other statements to take a job and to hand it back.

    Procrastinate takes a job after searching the whole queue for jobs with the same lock. Easel's jobs have no locks,
    and with thousands waiting the search takes a quarter of a second per job. To hand a job back, Procrastinate
    compares the clocks of two machines.
    """

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take the first waiting job for this worker. Returns None if no job waits."""
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
        """Hand a job back. Converts `retry_at` from this machine's clock to the database's."""
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
                -- No pause is that long, so the clock was set back.
                OR scheduled_at > now() + make_interval(secs => %(pause_s_max)s))
            ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id
    )
    SELECT taken.* FROM (SELECT 1) AS always LEFT JOIN taken ON true
"""


def remove(job_id: str) -> sql.Composed:
    """An SQL statement that removes a job from the queue, whoever holds it. Callers may append conditions. `job_id`
    names the parameter with the job's id."""
    return sql.SQL("DELETE FROM procrastinate_jobs WHERE procrastinate_jobs.id = {}").format(sql.Placeholder(job_id))


async def remove_waiting(connection: Writer, task_id: str) -> bool:
    """Remove a task's job from the queue. Returns False if a worker has taken the job.

    A worker that has the job notices the task's end when it starts to draw. A job that was taken and handed back stays
    in the queue: the next worker deletes any picture that the first one stored before it died.
    """
    cursor = await connection.execute(
        "DELETE FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo' AND attempts = 0", (task_id,)
    )
    return cursor.rowcount == 1


async def remove_unheld(connection: Writer, task_id: str) -> bool:
    """Remove a task's job from the queue. Returns False if a live worker has it."""
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
    """The database's time, and when its server started."""
    cursor = connection.cursor(row_factory=class_row(Clock))
    await cursor.execute("SELECT clock_timestamp() AS now, pg_postmaster_start_time() AS server_started_at")
    row = await cursor.fetchone()
    assert row is not None
    return row


async def stalled(connection: Writer) -> list[TakenJob]:
    """Jobs whose worker is gone, or has been silent for longer than STALLED_AFTER_S."""
    # Skips locked rows, because those jobs are probably ending. If not, the next call finds them.
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


async def delete_silent_workers(connection: Writer) -> None:
    """Delete workers that were silent for longer than STALLED_AFTER_S. A worker that is still alive notices at its next
    statement."""
    await connection.execute(
        """
        DELETE FROM procrastinate_workers WHERE last_heartbeat
            NOT BETWEEN now() - make_interval(secs => %(after_s)s) AND now() + make_interval(secs => %(after_s)s)
        """,
        {"after_s": STALLED_AFTER_S},
    )


async def held_by(connection: Reader, worker_id: int) -> list[int]:
    """Ids of the jobs that a worker has taken and not ended."""
    cursor = await connection.execute(
        "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %s", (worker_id,)
    )
    return [job_id for (job_id,) in await cursor.fetchall()]


async def lock_held(connection: Writer, worker_id: int, job_ids: Sequence[int]) -> list[int]:
    """Which of these jobs the worker still holds. Nobody else can end them until this transaction ends."""
    cursor = await connection.execute(
        """
        SELECT id FROM procrastinate_jobs
        WHERE status = 'doing' AND worker_id = %s AND id = ANY (%s) FOR UPDATE SKIP LOCKED
        """,
        (worker_id, list(job_ids)),
    )
    return [job_id for (job_id,) in await cursor.fetchall()]


async def hand_back(connection: Writer, job_id: int) -> None:
    """Return a job to the queue, where any worker can take it immediately."""
    await connection.execute(
        procrastinate.sql.queries["retry_job"],
        {"job_id": job_id, "retry_at": None, "new_priority": None, "new_queue_name": None, "new_lock": None},
    )
    # Procrastinate's triggers announce only new jobs. Without this, idle workers would not notice until their next poll.
    await connection.execute(
        "SELECT pg_notify(%s, json_build_object('type', 'job_inserted', 'job_id', %s::bigint)::text)",
        (f"procrastinate_queue_v1#{DRAW}", job_id),
    )


async def live_workers(connection: Reader) -> int:
    """The number of workers with a recent heartbeat."""
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


async def record_heartbeat(connection: Writer, worker_id: int) -> None:
    """Record that a worker is alive."""
    await connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %s", (worker_id,))
