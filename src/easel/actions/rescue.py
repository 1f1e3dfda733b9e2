"""Rescue: the tasks of dead workers go to other workers, and a task that keeps killing workers is ended.

Any number of workers may call this at the same time. One of them does the work, and the others return immediately.

A worker that sends no heartbeat counts as dead. While the database is unavailable or this machine sleeps, no
worker can send one, so none counts as dead until all have had time to send one again. The same holds after the
database's clock was set. Two workers may run the same task: one that was merely slow may continue, which is harmless.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from easel.actions import settle
from easel.domain.task import WORKER_DEATHS_MAX, ErrorCode, Status
from easel.live import measured
from easel.store import endings, locks, queue, tasks, workers
from easel.store.database import Database, RelaxedDatabase, Writer
from easel.store.locks import Lock
from easel.store.queue import Stalled
from easel.store.workers import Clock

log = structlog.get_logger(__name__)

_GAP_MAX: Final = timedelta(seconds=3)
"""A longer time between two calls means that the database or this process was unavailable, and a negative time that
the clock was set."""
_TIME_TO_REPORT: Final = timedelta(seconds=2 * workers.STALLED_AFTER_S)


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
    """One process's rescuer, called with the database's clock every second or so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touch = Touch()

    async def __call__(self, clock: Clock, *, looks: bool = True) -> None:
        """Hand back or end every task whose worker is dead. If `looks` is False, only note that the time was read."""
        if not self._touch.may_judge(clock) or not looks:
            return
        async with self._database.reading() as reader:
            if not await queue.has_stalled(reader):
                return
        async with self._database.transaction() as connection:
            if not await locks.try_in_transaction(connection, Lock.RESCUE):
                return
            ended = [task.task_id for task in await queue.stalled(connection) if await _rescue(connection, task)]
            await workers.delete_silent(connection)
        for _ in ended:
            measured.ended(Status.FAILED, ErrorCode.SERVICE_ERROR)
        settle.notify_all(self._database, *ended)


async def _rescue(connection: Writer, task: Stalled) -> bool:
    """Hand a task back, or end it. Returns True if it ended."""
    deaths = 0
    if task.worker_id is not None:
        deaths = await tasks.count_worker_death(connection, task.task_id, task.taken_at)
    is_ended = False
    if deaths >= WORKER_DEATHS_MAX:
        message = f"Drawing this task ended its worker {deaths} times"
        is_ended = await endings.fail_from_outside(connection, task.task_id, ErrorCode.SERVICE_ERROR, message)
    # Also if the task has ended: whichever worker takes it deletes a picture that the dead one may have stored.
    await queue.release(connection, task.task_id)
    log.warning("task_rescued", task_id=task.task_id, worker_deaths=deaths)
    return is_ended


async def hand_back_from_lost_device(database: Database, worker_id: int, task_id: str) -> None:
    """Hand back a task whose draw left the device useless to its worker.

    This counts like a death of the worker: the task may be to blame, and must not end one worker after the other.
    """
    async with database.transaction() as connection:
        task = await queue.held(connection, worker_id, task_id)
        is_ended = task is not None and await _rescue(connection, task)
    if is_ended:
        measured.ended(Status.FAILED, ErrorCode.SERVICE_ERROR)
        settle.notify_all(database, task_id)


async def hand_back(database: RelaxedDatabase, worker_id: int, task_ids: Sequence[str], pause_s: float = 0.0) -> None:
    """Hand back tasks that a live worker holds but does not run. This does not count as a death."""
    async with database.single_statement() as connection:
        returned = await queue.hand_back(connection, worker_id, task_ids, pause_s)
    for task_id in returned:
        log.info("task_handed_back", task_id=task_id)


async def sign_off(database: RelaxedDatabase, worker_id: int) -> None:
    """Hand back all tasks that a worker still holds, and delete the worker."""
    async with database.single_statement() as connection:
        for task_id in await queue.hand_back_all(connection, worker_id):
            log.info("task_handed_back", task_id=task_id)
        await workers.unregister(connection, worker_id)
