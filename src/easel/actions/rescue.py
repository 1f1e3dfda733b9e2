"""Rescue: the jobs of dead workers go to other workers, and a task that keeps killing workers is ended.

Any number of workers may call this at the same time. One of them does the work, and the others return immediately.

A worker that sends no heartbeat counts as dead. While the database is unavailable or this machine sleeps, no
worker can send one, so none counts as dead until all have had time to send one again. The same holds after the
database's clock was set. Two workers may run the same job: one that was merely slow may continue, which is harmless.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from easel.actions import settle
from easel.domain.task import WORKER_DEATHS_MAX, ErrorCode
from easel.store import endings, locks, queue, tasks
from easel.store.database import Database, Writer
from easel.store.locks import Lock
from easel.store.queue import Clock, TakenJob

log = structlog.get_logger(__name__)

_GAP_MAX: Final = timedelta(seconds=3)
"""A longer time between two calls means that the database or this process was unavailable, and a negative time that
the clock was set."""
_TIME_TO_REPORT: Final = timedelta(seconds=2 * queue.STALLED_AFTER_S)


class Touch:
    """Since when this process and all live workers have been in touch with the database. Times are from the database's
    clock, which continues while this machine sleeps."""

    def __init__(self) -> None:
        self._server_started_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._in_touch_since = datetime.min.replace(tzinfo=UTC)

    def may_judge(self, clock: Clock) -> bool:
        """Whether every live worker has had time to send a heartbeat by now."""
        if clock.server_started_at != self._server_started_at:
            # A start in the future happened before the clock was set back.
            self._in_touch_since = max(self._in_touch_since, min(clock.server_started_at, clock.now))
        if self._looked_at is not None and not timedelta(0) <= clock.now - self._looked_at <= _GAP_MAX:
            self._in_touch_since = clock.now
        self._server_started_at, self._looked_at = clock.server_started_at, clock.now
        return clock.now - self._in_touch_since > _TIME_TO_REPORT


class Rescue:
    """One process's rescuer, called every second or so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touch = Touch()

    async def __call__(self) -> None:
        """Hand back or end every job whose worker is dead."""
        async with self._database.transaction() as connection:
            may_judge = self._touch.may_judge(await queue.clock(connection))
            if not may_judge or not await locks.try_in_transaction(connection, Lock.RESCUE):
                return
            ended = [job.task_id for job in await queue.stalled(connection) if await _rescue(connection, job)]
            await queue.delete_silent_workers(connection)
        await settle.notify_all(self._database, *ended)


async def _rescue(connection: Writer, job: TakenJob) -> bool:
    """Hand a job back, or end its task. Returns True if the task ended."""
    deaths = 0
    if job.worker_id is not None:
        deaths = await tasks.count_worker_death(connection, job.task_id, job.taken_at)
    is_ended = deaths >= WORKER_DEATHS_MAX
    if is_ended:
        message = f"Drawing this task ended its worker {deaths} times"
        await endings.fail(connection, job.task_id, ErrorCode.SERVICE_ERROR, message)
    # Also if the task has ended: whichever worker takes the job deletes a picture that the dead one may have stored.
    await queue.hand_back(connection, job.job_id)
    log.warning("job_rescued", task_id=job.task_id, worker_deaths=deaths)
    return is_ended


async def hand_back(database: Database, worker_id: int, job_ids: Sequence[int]) -> None:
    """Hand back jobs that a live worker holds but does not run. This does not count as a death."""
    async with database.transaction() as connection:
        for job_id in await queue.lock_held(connection, worker_id, job_ids):
            await queue.hand_back(connection, job_id)
            log.info("job_handed_back", job_id=job_id)


async def hand_back_all(database: Database, worker_id: int) -> None:
    """Hand back all jobs that a live worker still held when its queue loop ended."""
    async with database.reading() as connection:
        held = await queue.held_by(connection, worker_id)
    if held:
        await hand_back(database, worker_id, held)
