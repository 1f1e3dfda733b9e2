"""How long a task will take, from how long others lately took and how many are ahead, and its place in line.

A measurement is kept for a second, so that a burst of requests asks the database once. An estimate promises nothing:
where the database does not answer in time, the last measurement serves, or a guess.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final

from easel.domain.errors import ServiceUnavailable
from easel.domain.task import Status, estimated_time_s
from easel.store import pace
from easel.store.database import Database, DatabaseUnavailable
from easel.store.pace import Pace
from easel.store.tasks import Task

MEASUREMENT_LIFETIME_S: Final = 1.0
DRAW_UNMEASURED_S: Final = 10.0
"""What a draw is taken to last before any was measured."""
RETRY_AFTER_BACKLOG_S: Final = 30
"""The longest that a client is asked to stay away from a service that has too much to do."""


class Forecast:
    """The latest measurements of one process."""

    def __init__(self, database: Database, backlog_max: int) -> None:
        self._database = database
        self._backlog_max = backlog_max
        self._pace = Pace(draw_s=None, workers=0, unfinished=0)
        self._line: Mapping[str, int] = {}
        self._accepted = 0
        """Tasks accepted here since the pace was measured."""
        self._pace_at_s: float | None = None
        self._line_at_s: float | None = None
        self._measuring = asyncio.Lock()

    async def of_new_tasks(self, count: int) -> int:
        """Whole seconds until tasks that are submitted now end. Raises ServiceUnavailable when there are too many.

        Exact to a second's worth of what other processes accept.
        """
        pace = await self._current_pace()
        unfinished = pace.unfinished + self._accepted
        if unfinished + count > self._backlog_max:
            excess_s = estimated_time_s(_draw_s(pace), unfinished + count - self._backlog_max, pace.workers)
            raise ServiceUnavailable(min(excess_s, RETRY_AFTER_BACKLOG_S))
        self._accepted += count
        return estimated_time_s(_draw_s(pace), unfinished, pace.workers)

    async def of(self, task: Task) -> int:
        """Whole seconds until an unfinished task ends."""
        pace = await self._current_pace()
        if task.status is Status.PROCESSING:
            return estimated_time_s(_draw_s(pace), 0, pace.workers, task.progress)
        return estimated_time_s(_draw_s(pace), await self.place(task) - 1, pace.workers)

    async def place(self, task: Task) -> int:
        """A pending task's place in line: 1 is drawn next."""
        line = await self._current_line()
        # Who is not in line came after it was looked at, or was taken from it since; the first is far likelier.
        return line.get(task.id, len(line) + 1)

    async def _current_pace(self) -> Pace:
        async with self._measuring:
            if _is_old(self._pace_at_s):
                with contextlib.suppress(DatabaseUnavailable):
                    async with self._database.reading() as connection:
                        accepted = self._accepted
                        self._pace = await pace.measure(connection)
                        self._accepted -= accepted
                # Also after a failure, so that those who waited for it do not each try in turn.
                self._pace_at_s = time.monotonic()
            return self._pace

    async def _current_line(self) -> Mapping[str, int]:
        async with self._measuring:
            if _is_old(self._line_at_s):
                with contextlib.suppress(DatabaseUnavailable):
                    async with self._database.reading() as connection:
                        line = await pace.line(connection)
                    self._line = {task_id: place for place, task_id in enumerate(line, start=1)}
                self._line_at_s = time.monotonic()
            return self._line


def _is_old(measured_at_s: float | None) -> bool:
    return measured_at_s is None or time.monotonic() - measured_at_s > MEASUREMENT_LIFETIME_S


def _draw_s(pace: Pace) -> float:
    return DRAW_UNMEASURED_S if pace.draw_s is None else pace.draw_s
