"""The worker process: takes waiting tasks, draws them, and stops cleanly.

It takes a task when there is room for it: when a notification wakes it, when a draw is nearly done, and from time to
time all the same. It keeps its engine loaded while the database is unavailable, and takes tasks again when the database
returns. With each heartbeat it hands back what the database says it has and what does not run here. While its engine
fails, it takes nothing, and tries the engine out from time to time. When it has lost its device, it ends.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Final

import structlog

from easel.actions import rescue, settle
from easel.actions.deliver import Deliver
from easel.actions.draw import Draw, Drawn, HandedBack
from easel.actions.finish import Finish
from easel.actions.sweep import Sweep
from easel.domain import fleet
from easel.domain.task import ErrorCode, Status
from easel.live import background_tasks, measured, traces
from easel.live.draw_slots import Slot
from easel.live.engine_runner import DeviceLost
from easel.live.held_tasks import HeldTasks
from easel.live.last_hour import LastHour
from easel.live.task_watcher import TaskWatcher
from easel.live.work_bell import WorkBell
from easel.store import queue, task_traces, workers
from easel.store.database import Database, DatabaseUnavailable, RelaxedDatabase
from easel.store.queue import Claimed
from easel.store.workers import Beat, Census

log = structlog.get_logger(__name__)

LAST_DELIVERIES_S: Final = 8.0
"""How long a worker waits for its callback deliveries after its last draw."""
BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0)
RETRY_AFTER_S: Final = 1.0
"""Pause before a task is drawn again whose end could not be saved."""
COUNT_EVERY_S: Final = 5.0
"""How often a worker counts the others."""
RESCUES_PER_S: Final = 4
"""How often all workers together look for dead ones, however many they are. Few workers look with every heartbeat."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What a worker does besides drawing."""

    deliver: Deliver
    task_watcher: TaskWatcher
    sweep: Sweep


class Worker:
    """The worker of this process. It has one engine."""

    def __init__(
        self,
        database: Database,
        relaxed: RelaxedDatabase,
        draw: Draw,
        finish: Finish,
        duties: Duties,
        bell: WorkBell,
        drain_timeout_s: float,
        device: str | None = None,
    ) -> None:
        self._database = database
        self._relaxed = relaxed
        self._draw = draw
        self._finish = finish
        self._duties = duties
        self._bell = bell
        self._drain_timeout_s = drain_timeout_s
        self._device = device
        self._pictures = LastHour()
        self.is_device_lost = False
        """Whether it ended because the device no longer answers this process."""
        self._stopping = asyncio.Event()
        self._id: int | None = None
        """None before the database knows this worker, and after it has forgotten it."""
        self._registering = asyncio.Lock()
        self._held = HeldTasks()
        self._running: set[asyncio.Task[None]] = set()
        self._census = Census(live=1, idle=1)
        self._counted_at_s = 0.0

    async def run(self) -> None:
        """Draw until `stop`. Then wait for running draws up to the drain timeout, and hand back the rest."""
        deliver = self._duties.deliver
        background = [
            asyncio.create_task(work)
            for work in (self._beat_and_rescue(), self._duties.task_watcher.run(), self._duties.sweep.run())
        ]
        delivering = asyncio.create_task(deliver.run())
        try:
            await self._take_tasks()
            await self._drain()
            # Deliver the callbacks of the last tasks too, if time allows.
            deliver.stop()
            await asyncio.wait({delivering}, timeout=min(self._drain_timeout_s, LAST_DELIVERIES_S))
        finally:
            await background_tasks.cancel_all([*self._running, *background, delivering, *self._draw.leaving])

    def stop(self) -> None:
        """Take no more tasks, and start no draws for tasks already taken."""
        self._stopping.set()
        self._draw.stop()
        self._draw.slots.close()
        self._bell.ring()

    async def _take_tasks(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            await self._draw.slots.await_room()
            await self._await_engine()
            if self._stopping.is_set():
                return
            try:
                has_more = await self._take_once()
            except DatabaseUnavailable as error:
                log.warning("queue_connection_lost", reason=str(error))
            except Exception:  # the outermost loop: its draws continue
                log.exception("queue_failed")
            else:
                failures = 0
                if not has_more:
                    await self._bell.wait(self._poll_pause_s())
                continue
            await self._pause(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    async def _await_engine(self) -> None:
        """While the engine is paused, wait and try it out, until it draws again or the worker stops."""
        while self._draw.paused_because is not None and not self._stopping.is_set():
            await self._pause(self._draw.pause_s)
            if self._draw.paused_because is None or self._stopping.is_set():  # a draw that was still running succeeded
                return
            try:
                await self._draw.try_out()
            except DeviceLost:
                self._lose_device()

    def _lose_device(self) -> None:
        self.is_device_lost = True
        self.stop()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _take_once(self) -> bool:
        """Take as many tasks as there is room for. Returns False if fewer were waiting. Raises DatabaseUnavailable."""
        self._bell.hush()
        worker_id = await self._registered()
        count_max = self._draw.slots.room
        async with self._relaxed.single_statement() as connection:
            taken = await queue.claim(connection, worker_id, count_max, min(count_max, self._draw.begun_max))
        for claimed in taken:
            if claimed.is_begun:
                settle.announce_beginning(self._database, claimed.task.id)
            self._start(claimed, worker_id)
        return len(taken) == count_max

    def _start(self, claimed: Claimed, worker_id: int) -> None:
        self._held.begin(claimed.task.id)
        running = asyncio.create_task(self._run(claimed, self._draw.slots.reserve(), worker_id))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def _poll_pause_s(self) -> float:
        return fleet.poll_pause_s(
            self._census.idle,
            listens=self._duties.task_watcher.listens,
            chance=random.random(),  # noqa: S311
        )

    async def _registered(self) -> int:
        """The id under which the database knows this worker. Raises DatabaseUnavailable."""
        async with self._registering:
            if self._id is None:
                async with self._relaxed.single_statement() as connection:
                    self._id = await workers.register(
                        connection, self._draw.draws_at_once, self._draw.engine.name, self._device
                    )
            return self._id

    async def _run(self, claimed: Claimed, slot: Slot, worker_id: int) -> None:
        """Draw a task and end it, or hand it back."""
        task_id = claimed.task.id
        try:
            about = {"easel.task_id": task_id, "easel.engine": self._draw.engine.name}
            with traces.span("task", await self._traceparent(task_id), attributes=about):
                await self._draw_and_finish(claimed, slot)
            self._held.end(task_id)
        except HandedBack:
            await self._hand_back(worker_id, task_id, pause_s=0.0)
        except DeviceLost:
            self._lose_device()
            await self._hand_back_from_lost_device(worker_id, task_id)
        except DatabaseUnavailable:
            await self._hand_back(worker_id, task_id, pause_s=RETRY_AFTER_S)
        except Exception:  # the database rejects even this end: the task is not drawn at once again
            log.exception("task_end_failed", task_id=task_id)
            await self._hand_back(worker_id, task_id, pause_s=queue.RETRY_PAUSE_S_MAX)
        finally:
            slot.release()

    async def _traceparent(self, task_id: str) -> str | None:
        """Where the task's trace goes on, if traces are recorded. Raises DatabaseUnavailable."""
        if not traces.are_recorded():
            return None
        async with self._database.reading() as connection:
            return await task_traces.find(connection, task_id)

    async def _draw_and_finish(self, claimed: Claimed, slot: Slot) -> None:
        task_id = claimed.task.id
        try:
            result = await self._draw(claimed, slot)
            is_ended = await self._finish(task_id, result)
            if is_ended and isinstance(result, Drawn):
                self._pictures.add(asyncio.get_running_loop().time())
        except (DatabaseUnavailable, DeviceLost, HandedBack):
            raise
        except Exception:  # a bug in Easel: fail and refund the task, so that it is not drawn forever
            log.exception("task_finish_failed", task_id=task_id)
            message = "The picture could not be finished"
            is_ended = await settle.fail(self._database, task_id, ErrorCode.SERVICE_ERROR, message)
            if is_ended:
                measured.ended(Status.FAILED, ErrorCode.SERVICE_ERROR, self._draw.engine.name)
            self._duties.deliver.wake()
        if not is_ended:
            async with self._relaxed.single_statement() as connection:
                await queue.leave(connection, task_id)

    async def _hand_back(self, worker_id: int, task_id: str, pause_s: float) -> None:
        try:
            await rescue.hand_back(self._relaxed, worker_id, [task_id], pause_s)
        except DatabaseUnavailable:  # a later heartbeat hands it back
            self._held.drop(task_id)
        else:
            self._held.end(task_id)
            asyncio.get_running_loop().call_later(pause_s, self._bell.ring)

    async def _hand_back_from_lost_device(self, worker_id: int, task_id: str) -> None:
        try:
            await rescue.hand_back_from_lost_device(self._database, worker_id, task_id)
        except DatabaseUnavailable:  # signing off, or another worker's rescue, hands it back
            self._held.drop(task_id)
        else:
            self._held.end(task_id)

    async def _drain(self) -> None:
        """Wait for running draws, and hand back what is left when the time is over."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._drain_timeout_s)
        await background_tasks.cancel_all(list(self._running))
        if self._id is not None:
            with contextlib.suppress(DatabaseUnavailable):  # then others rescue what this worker has
                await rescue.sign_off(self._relaxed, self._id)
            self._id = None

    async def _beat_and_rescue(self) -> None:
        """Every second, send a heartbeat and look for workers that stopped sending theirs."""
        rescue_tasks = rescue.Rescue(self._database)
        while True:
            # Random, so that workers do not all query the database at the same time.
            await asyncio.sleep(workers.HEARTBEAT_S * random.uniform(0.75, 1.25))  # noqa: S311
            if self._stopping.is_set() and self._id is None:
                continue
            try:
                beat = await self._beat(await self._registered())
                looks = random.random() * self._census.live < RESCUES_PER_S  # noqa: S311
                await rescue_tasks(beat.clock, looks=looks)
                await self._count()
            except DatabaseUnavailable:
                continue
            except Exception:  # the outermost loop: if it ended, other workers would consider this one dead
                log.exception("heartbeat_failed")

    async def _beat(self, worker_id: int) -> Beat:
        async with self._relaxed.single_statement() as connection:
            paused_because = self._draw.paused_because
            is_idle = paused_because is None and self._draw.slots.room > 0
            beat = await workers.beat(
                connection, worker_id, is_idle=is_idle, paused_because=paused_because,
                pictures_last_hour=self._pictures.total(asyncio.get_running_loop().time()),
            )  # fmt: skip
        self._database.note_time(beat.clock.now)
        if not beat.is_registered and self._id == worker_id:
            self._id = None
            self._bell.ring()
        adrift = self._held.adrift(beat.held, asyncio.get_running_loop().time())
        if adrift:
            await rescue.hand_back(self._relaxed, worker_id, adrift)
        return beat

    async def _count(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._counted_at_s < COUNT_EVERY_S:
            return
        self._counted_at_s = now_s
        async with self._relaxed.single_statement() as connection:
            self._census = await workers.census(connection)
        watcher = self._duties.task_watcher
        watcher.let_listen(wanted=fleet.listens(self._census.live, listened=watcher.listens))
        self._draw.report_pause_s = fleet.report_pause_s(self._census.busy)
