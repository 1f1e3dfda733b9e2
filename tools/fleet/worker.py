"""One simulated worker: it speaks to the database as `easel worker` does, and sleeps instead of drawing.

It takes a task when it has room, reports steps, completes the task and sends heartbeats, all with the functions that
a real worker uses. It never listens, stores no picture, and takes its next task only when the last one has ended.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Final

from easel.actions import settle
from easel.domain import fleet
from easel.store import queue, tasks, workers
from easel.store.database import Database, DatabaseUnavailable, RelaxedDatabase
from easel.store.endings import Completion
from easel.store.workers import Census

DRAW_S: Final = (1.0, 1.6)
COUNT_EVERY_S: Final = 5.0
AGAIN_AFTER_S: Final = 0.5


@dataclass(slots=True)
class Counts:
    """What the workers of one process did. `polls` counts the looks that found nothing."""

    completed: int = 0
    polls: int = 0
    unavailable: int = 0


class SimulatedWorker:
    """A worker with connections of its own, or with those of others."""

    def __init__(self, database: Database, relaxed: RelaxedDatabase, steps: int, counts: Counts) -> None:
        self._database = database
        self._relaxed = relaxed
        self._steps = steps
        self._counts = counts
        self._census = Census(live=1, idle=1)
        self._is_idle = True
        self._id = 0

    async def run(self) -> None:
        """Open the connections, and work until cancelled."""
        await self._database.open()
        await self._relaxed.open()
        async with self._relaxed.single_statement() as connection:
            self._id = await workers.register(connection, 1)
        await asyncio.gather(self._draw_all(), self._beat())

    async def _draw_all(self) -> None:
        while True:
            try:
                await self._draw_one()
            except DatabaseUnavailable:
                self._counts.unavailable += 1
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _draw_one(self) -> None:
        async with self._relaxed.single_statement() as connection:
            claimed = await queue.claim(connection, self._id, 1, 1)
        if not claimed:
            self._counts.polls += 1
            pause_s = fleet.poll_pause_s(self._census.idle, listens=False, chance=random.random())  # noqa: S311
            await asyncio.sleep(pause_s)
            return
        self._is_idle = False
        try:
            await self._draw(claimed[0].task.id)
        finally:
            self._is_idle = True

    async def _draw(self, task_id: str) -> None:
        draw_s = random.uniform(*DRAW_S)  # noqa: S311
        now_s = asyncio.get_running_loop().time
        reported_at_s = now_s()
        for step in range(self._steps):
            await asyncio.sleep(draw_s / self._steps)
            if now_s() - reported_at_s < fleet.report_pause_s(self._census.busy):
                continue
            reported_at_s = now_s()
            async with self._relaxed.single_statement() as connection:
                await tasks.record_steps(connection, task_id, step + 1, self._steps)
        picture = Completion("simulated", round(draw_s * 1000), f"{task_id}.webp", 20_000)
        self._counts.completed += await settle.complete(self._database, task_id, picture)

    async def _beat(self) -> None:
        counted_at_s = 0.0
        while True:
            await asyncio.sleep(workers.HEARTBEAT_S * random.uniform(0.75, 1.25))  # noqa: S311
            now_s = asyncio.get_running_loop().time()
            with contextlib.suppress(DatabaseUnavailable):
                async with self._relaxed.single_statement() as connection:
                    await workers.beat(connection, self._id, is_idle=self._is_idle)
                    if now_s - counted_at_s > COUNT_EVERY_S:
                        counted_at_s = now_s
                        self._census = await workers.census(connection)
