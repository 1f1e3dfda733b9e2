"""The worker process: takes jobs from the queue, draws them, and stops cleanly.

It keeps its loaded engine while the database is away, and begins to take jobs again when it is back. Its heartbeat is
its own, so that a job is not taken for lost while the queue's loop starts anew.
"""

import asyncio
import contextlib
import random
from typing import Final

import procrastinate
import procrastinate.exceptions
import psycopg
import structlog
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker as QueueLoop
from psycopg_pool import PoolTimeout

from easel.actions import rescue, settle
from easel.actions.draw import Draw
from easel.domain.task import ErrorCode
from easel.store import queue
from easel.store.database import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

RESCUE_EVERY_S: Final = 1.0
POLL_EVERY_S: Final = 2.0
"""How soon a job is found whose announcement was lost."""
BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_NEVER_S: Final = 10.0**9
_QUEUE_FAULTS: Final = (procrastinate.exceptions.ProcrastinateException, psycopg.Error, PoolTimeout)


class Worker:
    """One process's worker: one engine, one queue loop at a time."""

    def __init__(self, database: Database, draw: Draw, drain_timeout_s: float) -> None:
        self._database = database
        self._draw = draw
        self._drain_timeout_s = drain_timeout_s
        self._stopping = asyncio.Event()
        self._loop: QueueLoop | None = None
        self._former_ids: list[int] = []

    async def run(self) -> None:
        """Take jobs until `stop`, then let running ones finish, or hand them back after the drain's time."""
        async with procrastinate.App(connector=procrastinate.PsycopgConnector()).open_async(self._database.pool) as app:
            app.task(name=queue.DRAW, queue=queue.DRAW, retry=_TryAgain())(self._draw_job)
            side = [asyncio.create_task(self._beat()), asyncio.create_task(self._rescue())]
            try:
                await self._take_jobs(app)
            finally:
                for task in side:
                    task.cancel()

    def stop(self) -> None:
        """Take no more jobs."""
        self._stopping.set()
        if self._loop is not None:
            self._loop.stop()

    async def _take_jobs(self, app: procrastinate.App) -> None:
        failures = 0
        while not self._stopping.is_set():
            started_s = asyncio.get_running_loop().time()
            with contextlib.suppress(DatabaseUnavailable):
                await self._hand_back_former()
                await self._take_jobs_once(app)
            if asyncio.get_running_loop().time() - started_s > BACK_OFF_S[-1]:
                failures = 0
            await self._pause(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    async def _take_jobs_once(self, app: procrastinate.App) -> None:
        """One queue loop, to its end: we were told to stop, or the database went."""
        self._loop = QueueLoop(
            app,
            queues=[queue.DRAW],
            concurrency=self._draw.jobs_at_once,
            fetch_job_polling_interval=POLL_EVERY_S,
            shutdown_graceful_timeout=self._drain_timeout_s,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=_NEVER_S,
            stalled_worker_timeout=queue.STALLED_AFTER_S,
        )
        try:
            await self._loop.run()
        except _QUEUE_FAULTS as error:
            log.warning("queue_lost", reason=type(error).__name__)
        if self._loop.worker_id is not None:
            self._former_ids.append(self._loop.worker_id)
            await self._hand_back_former()

    async def _hand_back_former(self) -> None:
        """Return what earlier loops of this process still held when the database went."""
        while self._former_ids:
            await rescue.hand_back_all(self._database, self._former_ids[-1])
            self._former_ids.pop()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _draw_job(self, task_id: str) -> None:
        try:
            await self._draw(task_id)
        except DatabaseUnavailable:
            raise
        except Exception:  # a fault of ours ends this task, refunded, rather than be tried for ever
            log.exception("job_fault", task_id=task_id)
            await settle.fail(self._database, task_id, ErrorCode.SERVICE_ERROR, "The picture could not be finished")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(queue.HEARTBEAT_S)
            if self._loop is not None and self._loop.worker_id is not None:
                with contextlib.suppress(DatabaseUnavailable):
                    async with self._database.transaction() as connection:
                        await queue.beat(connection, self._loop.worker_id)

    async def _rescue(self) -> None:
        while True:
            # Spread out, so that many workers do not ask in step.
            await asyncio.sleep(RESCUE_EVERY_S * random.uniform(0.75, 1.25))  # noqa: S311 - no secret depends on it
            with contextlib.suppress(DatabaseUnavailable):
                await rescue.rescue_stalled(self._database)


class _TryAgain(BaseRetryStrategy):
    """A job that raises goes back to the queue: handed back at once on shutdown, after a second otherwise."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        is_handed_back = isinstance(exception, asyncio.CancelledError)
        return RetryDecision(retry_in={"seconds": 0 if is_handed_back else 1})
