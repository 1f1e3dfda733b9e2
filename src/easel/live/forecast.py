"""How long a task will take, from how long others lately took and how many are ahead, and its place in line.

A measurement is kept for a second, so that a burst of requests asks the database once. An estimate promises nothing:
where the database does not answer in time, the last measurement serves, or a guess.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from easel.domain.errors import ServiceUnavailable
from easel.domain.task import Status, estimated_time_s
from easel.store import pace
from easel.store.database import Database, DatabaseUnavailable
from easel.store.pace import LINE_MAX, Pace
from easel.store.tasks import Task

MEASUREMENT_LIFETIME_S: Final = 1.0
DRAW_UNMEASURED_S: Final = 10.0
"""What a draw is taken to last before any was measured."""
RETRY_AFTER_BACKLOG_S: Final = 30
"""The longest that a client is asked to stay away from a service that has too much to do."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What awaits tasks that are submitted now: how long they will take, or why they cannot be accepted."""

    estimated_time_s: int
    refusal: ServiceUnavailable | None


class Forecast:
    """The latest measurements of one process."""

    def __init__(self, database: Database, backlog_max: int) -> None:
        self._database = database
        self._backlog_max = backlog_max
        self._pace = Pace(draw_s=None, workers=0, unfinished=0)
        self._line: Mapping[str, int] = {}
        self._line_position = 0
        """The position of the task that was accepted last when the line was looked at."""
        self._accepted = 0
        """Tasks accepted here since the pace was measured."""
        self._submitted = 0
        """Tasks that may be accepted here at this moment."""
        self._pace_at_s: float | None = None
        self._line_at_s: float | None = None
        self._measuring = asyncio.Lock()

    async def of_new_tasks(self, count: int) -> Prospect:
        """What awaits tasks that are submitted now; their submission goes into `submitting`, at once.

        Exact to a second's worth of what other processes accept.
        """
        pace = await self._current_pace()
        ahead = pace.unfinished + self._accepted + self._submitted
        excess = ahead + count - self._backlog_max
        if excess > 0:
            excess_s = estimated_time_s(_draw_s(pace), excess, pace.workers)
            return Prospect(excess_s, ServiceUnavailable(min(excess_s, RETRY_AFTER_BACKLOG_S)))
        return Prospect(estimated_time_s(_draw_s(pace), ahead, pace.workers), None)

    @contextmanager
    def submitting(self, count: int) -> Iterator[None]:
        """Count tasks as unfinished while they are submitted; those that are accepted go on being counted."""
        self._submitted += count
        try:
            yield
        finally:
            self._submitted -= count

    def note_accepted(self, count: int) -> None:
        """Count tasks as unfinished until the pace is measured."""
        self._accepted += count

    async def of(self, task: Task) -> int:
        """Whole seconds until an unfinished task ends."""
        pace = await self._current_pace()
        if task.status is Status.PROCESSING:
            return estimated_time_s(_draw_s(pace), 0, pace.workers, task.progress)
        return estimated_time_s(_draw_s(pace), await self.place(task) - 1, pace.workers)

    async def place(self, task: Task) -> int:
        """A pending task's place in line: 1 is drawn next."""
        line = await self._line_since(time.monotonic() - MEASUREMENT_LIFETIME_S)
        if task.id not in line and task.position <= self._line_position and len(line) < LINE_MAX:
            # It was begun, which is not known here yet, or was accepted while the line was looked at. A look from now
            # on tells which.
            return (await self._line_since(time.monotonic())).get(task.id, 1)
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

    async def _line_since(self, moment_s: float) -> Mapping[str, int]:
        """The places of tasks by id, as looked at since a moment."""
        async with self._measuring:
            if self._line_at_s is None or self._line_at_s < moment_s:
                looked_at_s = time.monotonic()
                try:
                    async with self._database.reading() as connection:
                        line = await pace.line(connection)
                    self._line = {task_id: place for place, task_id in enumerate(line.task_ids, start=1)}
                    self._line_position = line.last_position
                except DatabaseUnavailable:
                    looked_at_s = time.monotonic()  # so that those who waited for it do not each try in turn
                self._line_at_s = looked_at_s
            return self._line


def _is_old(measured_at_s: float | None) -> bool:
    return measured_at_s is None or time.monotonic() - measured_at_s > MEASUREMENT_LIFETIME_S


def _draw_s(pace: Pace) -> float:
    return DRAW_UNMEASURED_S if pace.draw_s is None else pace.draw_s
