"""How long a task will take, from how long others lately took and how many are ahead.

A measurement is kept for a second, so that a burst of requests asks the database once. An estimate promises nothing:
where the database does not answer in time, the last measurement serves, or a guess.
"""

import asyncio
import contextlib
import time
from typing import Final

from easel.domain.task import Status, estimated_time_s
from easel.store import tasks
from easel.store.database import Database, DatabaseUnavailable
from easel.store.tasks import Pace, Task

MEASUREMENT_LIFETIME_S: Final = 1.0
DRAW_UNMEASURED_S: Final = 10.0
"""What a draw is taken to last before any was measured."""


class Forecast:
    """The latest measurement of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pace = Pace(draw_s=None, workers=0, unfinished=0)
        self._measured_at_s: float | None = None
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
        async with self._database.reading() as connection:
            ahead = await tasks.ahead_of(connection, task.position)
        return estimated_time_s(_draw_s(pace), ahead, pace.workers)

    async def _current_pace(self) -> Pace:
        async with self._measuring:
            measured_at_s = self._measured_at_s
            if measured_at_s is None or time.monotonic() - measured_at_s > MEASUREMENT_LIFETIME_S:
                with contextlib.suppress(DatabaseUnavailable):
                    async with self._database.reading() as connection:
                        self._pace = await tasks.pace(connection)
                # Also after a failure, so that those who waited for it do not each try in turn.
                self._measured_at_s = time.monotonic()
            return self._pace


def _draw_s(pace: Pace) -> float:
    return DRAW_UNMEASURED_S if pace.draw_s is None else pace.draw_s
