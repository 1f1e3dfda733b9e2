"""How long a task will take, from how long others lately took and how many are ahead.

A measurement is kept for a second, so that a burst of requests asks the database once. An estimate promises nothing.
"""

import asyncio
import time
from typing import Final

from easel.domain.task import Status, estimated_time_s
from easel.store import tasks
from easel.store.database import Database
from easel.store.tasks import Pace, Task

MEASUREMENT_LIFETIME_S: Final = 1.0
DRAW_UNMEASURED_S: Final = 10.0
"""What a draw is taken to last before any was measured."""


class Forecast:
    """The latest measurement of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pace: Pace | None = None
        self._measured_at_s = 0.0
        self._measuring = asyncio.Lock()

    async def of_new_task(self) -> int:
        """Whole seconds until a task that is submitted now ends."""
        pace = await self._current_pace()
        return estimated_time_s(_draw_s(pace), pace.unfinished, pace.workers)

    async def of(self, task: Task) -> int:
        """Whole seconds until an unfinished task ends."""
        pace = await self._current_pace()
        if task.status is Status.PROCESSING:
            return estimated_time_s(_draw_s(pace), 0, pace.workers, task.progress)
        async with self._database.transaction() as connection:
            ahead = await tasks.ahead_of(connection, task.position)
        return estimated_time_s(_draw_s(pace), ahead, pace.workers)

    async def _current_pace(self) -> Pace:
        async with self._measuring:
            if self._pace is None or time.monotonic() - self._measured_at_s > MEASUREMENT_LIFETIME_S:
                async with self._database.transaction() as connection:
                    self._pace = await tasks.pace(connection)
                self._measured_at_s = time.monotonic()
            return self._pace


def _draw_s(pace: Pace) -> float:
    return DRAW_UNMEASURED_S if pace.draw_s is None else pace.draw_s
