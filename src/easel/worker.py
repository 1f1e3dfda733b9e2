"""The worker process: takes jobs from the queue, draws them, and stops cleanly.

It keeps its engine loaded while the database is unavailable, and takes jobs again when the database returns. It sends
heartbeats itself, so no job counts as lost while the queue loop restarts. With each heartbeat it looks for jobs that
the queue assigns to it but that are not running here. A job gets into this state when the statement that takes or ends
it succeeds, but the connection breaks before the result arrives.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Literal

import procrastinate
import procrastinate.exceptions
import psycopg
import structlog
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker as QueueLoop
from psycopg_pool import PoolTimeout

from easel.actions import rescue, settle
from easel.actions.deliver import Deliver
from easel.actions.draw import Draw, HandedBack
from easel.actions.finish import Finish
from easel.actions.sweep import Sweep
from easel.domain.task import ErrorCode
from easel.live import background_tasks
from easel.live.task_watcher import TaskWatcher
from easel.store import queue
from easel.store.database import Database, DatabaseUnavailable, RelaxedDatabase

log = structlog.get_logger(__name__)

POLL_EVERY_S: Final = 2.0
"""Longest delay before the worker finds a job whose notification was lost."""
ADRIFT_AFTER_S: Final = 5.0
"""How long a job may be assigned to this worker without running here before it is handed back."""
LAST_DELIVERIES_S: Final = 8.0
"""How long a worker waits for its callback deliveries after its last draw."""
BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_NEVER_S: Final = 10.0**9
_QUEUE_FAULTS: Final = (procrastinate.exceptions.ProcrastinateException, psycopg.Error, PoolTimeout)


class Worker:
    """The worker of this process. It has one engine, and runs one queue loop at a time."""

    def __init__(
        self,
        database: Database,
        relaxed: RelaxedDatabase,
        draw: Draw,
        finish: Finish,
        deliver: Deliver,
        task_watcher: TaskWatcher,
        sweep: Sweep,
        drain_timeout_s: float,
    ) -> None:
        self._database = database
        self._relaxed = relaxed
        self._draw = draw
        self._finish = finish
        self._deliver = deliver
        self._task_watcher = task_watcher
        self._sweep = sweep
        self._drain_timeout_s = drain_timeout_s
        self._stopping = asyncio.Event()
        self._loop: QueueLoop | None = None
        self._earlier_worker_ids: list[int] = []
        self._running: set[int] = set()
        self._ended: set[int] = set()
        """Jobs that were removed from the queue when their tasks ended."""
        self._adrift_since_s: dict[int, float] = {}

    async def run(self) -> None:
        """Take jobs until `stop`. Then wait for running jobs up to the drain timeout, and hand back the rest."""
        # The queue's own writes need not wait for the disk. If a crash loses one, the job is taken again.
        async with procrastinate.App(connector=procrastinate.PsycopgConnector()).open_async(self._relaxed.pool) as app:
            app.job_manager = queue.JobManager(app.connector)
            app.task(name=queue.DRAW, queue=queue.DRAW, retry=_TryAgain(), pass_context=True)(self._draw_job)
            background = [
                asyncio.create_task(work)
                for work in (self._beat_and_rescue(), self._task_watcher.run(), self._sweep.run())
            ]
            delivering = asyncio.create_task(self._deliver.run())
            try:
                await self._take_jobs(app)
                # Deliver the callbacks of the last tasks too, if time allows.
                self._deliver.stop()
                await asyncio.wait({delivering}, timeout=min(self._drain_timeout_s, LAST_DELIVERIES_S))
            finally:
                await background_tasks.cancel_all([*background, delivering, *self._draw.leaving])

    def stop(self) -> None:
        """Take no more jobs, and start no draws for jobs already taken."""
        self._stopping.set()
        self._draw.stop()
        if self._loop is not None:
            self._loop.shutdown_graceful_timeout = self._drain_timeout_s
            self._loop.stop()

    async def _take_jobs(self, app: procrastinate.App) -> None:
        failures = 0
        while not self._stopping.is_set():
            started_s = asyncio.get_running_loop().time()
            with contextlib.suppress(DatabaseUnavailable):
                await self._hand_back_earlier_jobs()
                await self._take_jobs_once(app)
            if asyncio.get_running_loop().time() - started_s > BACK_OFF_S[-1]:
                failures = 0
            await self._pause(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    async def _take_jobs_once(self, app: procrastinate.App) -> None:
        """Run one queue loop until `stop` ends it or the database becomes unavailable."""
        if self._stopping.is_set():
            return
        loop: QueueLoop = _Loop(
            self._draw.room,
            self._ended,
            app,
            queues=[queue.DRAW],
            concurrency=self._draw.jobs_at_once,
            fetch_job_polling_interval=POLL_EVERY_S,
            # No limit until `stop` sets one: a loop that lost the database waits for its running draws.
            shutdown_graceful_timeout=None,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=_NEVER_S,
            # The rescue removes silent workers, in the same transaction as the jobs they held.
            stalled_worker_timeout=_NEVER_S,
        )
        self._loop = loop
        try:
            await loop.run()
        except _QUEUE_FAULTS as error:
            log.warning("queue_connection_lost", reason=type(error).__name__)
        if loop.worker_id is not None:
            self._earlier_worker_ids.append(loop.worker_id)
            await self._hand_back_earlier_jobs()

    async def _hand_back_earlier_jobs(self) -> None:
        """Hand back the jobs that earlier queue loops of this process held when they lost the database."""
        while self._earlier_worker_ids:
            await rescue.hand_back_all(self._database, self._earlier_worker_ids[-1])
            self._earlier_worker_ids.pop()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _draw_job(self, context: JobContext, task_id: str) -> None:
        assert context.job.id is not None
        job_id = context.job.id
        self._running.add(job_id)
        try:
            is_ended = await self._finish(task_id, await self._draw(task_id), job_id)
        except (DatabaseUnavailable, HandedBack):
            raise
        except Exception:  # a bug in Easel: fail and refund the task, so that its job is not retried forever
            log.exception("job_failed", task_id=task_id)
            message = "The picture could not be finished"
            is_ended = await settle.fail(self._database, task_id, ErrorCode.SERVICE_ERROR, message, job_id)
            self._deliver.wake()
        finally:
            self._running.discard(job_id)
        if is_ended:
            self._ended.add(job_id)

    async def _beat_and_rescue(self) -> None:
        """Every second, send a heartbeat and look for workers that stopped sending theirs."""
        rescue_jobs = rescue.Rescue(self._database)
        while True:
            # Random, so that workers do not all query the database at the same time.
            await asyncio.sleep(queue.HEARTBEAT_S * random.uniform(0.75, 1.25))  # noqa: S311 - no secret depends on it
            try:
                if self._loop is not None and self._loop.worker_id is not None:
                    await self._beat(self._loop.worker_id)
                await rescue_jobs()
            except DatabaseUnavailable:
                continue
            except Exception:  # the outermost loop: if it ended, other workers would consider this one dead
                log.exception("heartbeat_failed")

    async def _beat(self, worker_id: int) -> None:
        async with self._relaxed.single_statement() as connection:
            await queue.record_heartbeat(connection, worker_id)
            held = await queue.held_by(connection, worker_id)
        adrift = self._adrift_too_long(held, asyncio.get_running_loop().time())
        if adrift:
            await rescue.hand_back(self._database, worker_id, adrift)

    def _adrift_too_long(self, held: Iterable[int], now_s: float) -> list[int]:
        """The jobs that have been assigned to this worker for some time without running here.

        Every job is in that state for a moment: just before it runs, and while its end is being saved.
        """
        since_s = self._adrift_since_s
        self._adrift_since_s = {job: since_s.get(job, now_s) for job in held if job not in self._running}
        return [job for job, at_s in self._adrift_since_s.items() if now_s - at_s > ADRIFT_AFTER_S]


class _Loop(QueueLoop):
    """Procrastinate's loop, with three differences.

    It takes a job only when there is room for it, so that no job is taken early and kept waiting.

    It does not update the jobs in `ended`, which were removed from the queue when their tasks ended.

    It ends when its listener ends, so that a new loop listens again. Procrastinate only notices the first side task
    that ends. Without periodic jobs, this is always the deferrer, so a listener cut off by a database restart would go
    unnoticed, and jobs would wait for the next poll. This class therefore leaves the deferrer out.
    """

    def __init__(self, room: Callable[[], Awaitable[None]], ended: set[int], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._room = room
        self._ended = ended

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        # The loop creates its semaphore just before this call, and acquires it before it takes a job.
        self._job_semaphore = _Gate(self.concurrency, self._room)
        return [task for task in super()._start_side_tasks() if task.get_name() != "deferrer"]

    async def _persist_job_status(self, job: Job, *args: Any, **options: Any) -> None:
        if job.id in self._ended:
            self._ended.discard(job.id)
        else:
            await super()._persist_job_status(job, *args, **options)


class _Gate(asyncio.Semaphore):
    """A semaphore that also waits for room."""

    def __init__(self, value: int, room: Callable[[], Awaitable[None]]) -> None:
        super().__init__(value)
        self._room = room

    async def acquire(self) -> Literal[True]:
        """Acquire the semaphore, then wait for room."""
        await super().acquire()
        try:
            await self._room()
        except BaseException:
            self.release()
            raise
        return True


class _TryAgain(BaseRetryStrategy):
    """Returns a failed job to the queue: immediately if it was cancelled or handed back, else after a second."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        is_handed_back = isinstance(exception, asyncio.CancelledError | HandedBack)
        return RetryDecision(retry_in={"seconds": 0 if is_handed_back else 1})
